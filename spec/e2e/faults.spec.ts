import assert from 'node:assert/strict';
import { faults } from '../../scripts/faults/catalogue.js';
import type { Outcome } from '../../scripts/faults/outcome.js';
import { inForm, tryFaults } from '../../scripts/faults/try.js';
import { isRoot, requires } from '../support/requirements.js';

/** Side by side, since each mostly waits. */
const AT_ONCE = 6;
/** Most ms from SIGTERM to an end: on a busy machine more than the law says. */
const ENDING_MS = 5000;
const MOST_MS = 180_000;

describe('The law of losses', function () {
  this.timeout(MOST_MS);
  const chosen = inForm(faults, true);
  let outcomes: ReadonlyMap<string, Outcome>;

  before(async function () {
    requires(this, isRoot, 'no root');
    const tried = await tryFaults(chosen, { isShort: true, atOnce: AT_ONCE, endingBound: ENDING_MS });
    outcomes = new Map(tried.map((outcome) => [outcome.name, outcome]));
  });

  for (const { name, title } of chosen) {
    it(`holds when ${title}`, () => {
      const { breaches, findings } = outcomes.get(name)!;
      assert.deepEqual(breaches, [], JSON.stringify(findings));
    });
  }
});

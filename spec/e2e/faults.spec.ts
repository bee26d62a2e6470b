import assert from 'node:assert/strict';
import { faults } from '../../scripts/faults/catalogue.js';
import type { Outcome } from '../../scripts/faults/outcome.js';
import { inForm, tryFaults } from '../../scripts/faults/try.js';
import { isRoot, requires } from '../support/requirements.js';

/** Side by side, since each mostly waits. */
const AT_ONCE = 6;
/** Most ms from SIGTERM to an end: on a busy machine more than the law says. */
const ENDING_MS = 5000;
const MOST_MS = 300_000;

/** Faults that other specs try with a whole daemon, or with the part concerned; `npm run faults -- --short` has all. */
const TRIED_ELSEWHERE: Readonly<Record<string, string>> = {
  'sensor-gone-queue-full': 'spec/sensor/law.spec.ts',
  'sensor-garbled-lists': 'spec/sensor/control.spec.ts',
  'dns-gone-at-start': 'spec/e2e/sensor.spec.ts',
  'certificates-expired': 'spec/sensor/diagnose.spec.ts',
  'descriptors-exhausted': 'spec/e2e/shortage.spec.ts',
  'programs-detached': 'spec/e2e/tampering.spec.ts',
  'cri-garbage': 'spec/containers/cri/actor.spec.ts',
  'sigterm-start': 'spec/e2e/shutdown.spec.ts',
  'sigterm-handshake': 'spec/e2e/sensor.spec.ts',
  'sigterm-self-check': 'spec/e2e/shutdown.spec.ts',
  'sigterm-sensor-gone': 'spec/e2e/shutdown.spec.ts',
};

describe('The law of losses', function () {
  this.timeout(MOST_MS);
  const chosen = inForm(faults, true).filter(({ name }) => !Object.hasOwn(TRIED_ELSEWHERE, name));
  let outcomes: ReadonlyMap<string, Outcome>;

  before(async function () {
    requires(this, isRoot, 'no root');
    const tried = await tryFaults(chosen, { isShort: true, atOnce: AT_ONCE, endingBound: ENDING_MS });
    outcomes = new Map(tried.map((outcome) => [outcome.name, outcome]));
  });

  for (const { name, title } of chosen) {
    it(`holds when ${title}`, () => {
      const { breaches, findings } = outcomes.get(name)!;
      assert.deepEqual(breaches, [], `${breaches.join('; ')}\n${findings.log}`);
    });
  }
});

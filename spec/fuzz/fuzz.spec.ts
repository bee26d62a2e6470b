import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { CampaignResult } from '../../scripts/fuzz/campaign.js';
import { fuzz, type FoundInput } from '../../scripts/fuzz/supervisor.js';
import { targetNames, targets, type TargetName } from '../../scripts/fuzz/targets.js';

/** Inputs for each target, of each seed: some seconds for all of them. `npm run fuzz` tries more. */
const EXECUTIONS = 60;
const FIXED_SEED = 1;

for (const seed of [FIXED_SEED, randomInt(2 ** 32)]) {
  describe(`Inputs by an attacker, made from seed ${seed}`, function () {
    this.timeout(240_000);
    const found: FoundInput[] = [];
    const done = new Map<TargetName, CampaignResult>();

    before(async () => {
      await fuzz({
        targets: targetNames,
        seed,
        executions: EXECUTIONS,
        milliseconds: undefined,
        coverage: false,
        onBroken: (one) => found.push(one),
        onDone: (target, result) => done.set(target, result),
      });
    });

    for (const name of targetNames)
      it(`for ${name}: ${targets[name].holds}`, () => {
        for (const { target, message, input } of found)
          assert.ok(
            target !== name,
            `${message}\nnpm run fuzz -- ${name} --seed=${seed}; the input in base64: ${input.toString('base64')}`,
          );
        const { executions = 0 } = done.get(name) ?? {};
        assert.ok(executions >= EXECUTIONS, `${executions} inputs`);
      });
  });
}

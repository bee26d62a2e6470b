import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isWrong, kinds, proof, type RealRound } from '../../../scripts/compare/proof.js';
import { render } from '../../../scripts/compare/proof-report.js';
import { modelOf, randomNumbers, simulateRun, type Model } from '../../../scripts/compare/simulation.js';
import { compareRuns } from '../../../scripts/compare/verdict.js';
import { around, runOf } from './runs.js';

const model: Model = {
  cpu: { mean: 3, betweenRuns: 0.2, withinRun: 0.5, autocorrelation: 0.5 },
  memory: { mean: 70, betweenRuns: 1, withinRun: 2, autocorrelation: 0.9 },
};
const plan = { warmUp: 20, seconds: 60 };

describe('simulated runs', () => {
  it('repeat for the same seed', () => {
    const run = () => simulateRun(model, 60, {}, 1, randomNumbers(7));
    assert.deepEqual(run(), run());
    assert.notDeepEqual(run(), simulateRun(model, 60, {}, 1, randomNumbers(8)));
  });

  it('vary as the model says', () => {
    const random = randomNumbers(1);
    const fitted = modelOf(Array.from({ length: 400 }, () => simulateRun(model, 200, {}, 1, random)));
    const near = (actual: number, expected: number) =>
      assert.ok(Math.abs(actual - expected) < 0.15 * expected, `${actual} is not near ${expected}`);
    near(fitted.cpu.mean, 3);
    // The median of correlated seconds scatters a little as well.
    near(fitted.cpu.betweenRuns, 0.2);
    near(fitted.cpu.withinRun, 0.5);
    near(fitted.cpu.autocorrelation, 0.5);
    near(fitted.memory.mean, 70);
  });

  it('use whatever numbers from 0 to 1 without leaving the finite', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { cpu, memory } = simulateRun(model, 10, { cpu: 5 }, 4, randomNumbers(seed));
        assert.ok([...cpu, ...memory].every((value) => Number.isFinite(value) && value >= 0));
      }),
    );
  });
});

describe('the proof', () => {
  const plain = () => runOf(around(3, 0.5), around(70, 1));
  const round: RealRound = {
    base: plain(),
    same: plain(),
    cpu: runOf(around(8, 0.5), around(70, 1)),
    memory: runOf(around(3, 0.5), around(85, 1)),
  };

  it('counts as wrong a red for equal builds, and anything else than red for worse ones', () => {
    const green = compareRuns([round.base], [round.same]);
    const cpu = compareRuns([round.base], [round.cpu]);
    const memory = compareRuns([round.base], [round.memory]);
    assert.deepEqual([isWrong('same', green), isWrong('same', cpu)], [false, true]);
    assert.deepEqual(
      [isWrong('cpu', cpu), isWrong('cpu', green), isWrong('cpu', memory)],
      [false, true, true],
    );
    assert.deepEqual([isWrong('memory', memory), isWrong('memory', cpu)], [false, true]);
  });

  it('has a rate for each kind, of real pairs and of simulated ones with more and more noise', () => {
    const { rates } = proof(plan, [round, round], 10);
    assert.deepEqual(
      rates.map(({ kind, source, pairs }) => [kind, source, pairs]),
      Object.keys(kinds).flatMap((kind) => [
        [kind, 'real', 2],
        ...[1, 2, 4].map((scale) => [kind, scale, 10]),
      ]),
    );
    const unscaled = rates.filter(({ source }) => source === 'real' || source === 1);
    assert.ok(
      unscaled.every(({ errors, interval }) => errors === 0 && interval[0] === 0 && interval[1] < 0.7),
    );
  });

  it('tells apart fifty simulated pairs of each kind with the noise of a quiet machine', () => {
    const random = randomNumbers(3);
    for (const kind of ['same', 'cpu', 'memory'] as const) {
      const run = (of: 'same' | typeof kind) => simulateRun(model, 60, kinds[of], 1, random);
      const wrong = Array.from({ length: 50 }, () => compareRuns([run('same')], [run(kind)])).filter(
        (comparison) => isWrong(kind, comparison),
      );
      assert.equal(wrong.length, 0, kind);
    }
  });

  it('is shown with its counts, intervals and noise', () => {
    const text = render(proof(plan, [round], 50));
    assert.match(text, /\| the same build twice: red \(simulated\) \| 50 \| 0 \| 0\.0 % \(0\.0–7\.1 %\) \|/);
    assert.match(text, /\| 5 % of a core more: not red \(real\) \| 1 \| 0 \|/);
    assert.match(text, /60 s after 20 s of warm-up/);
    assert.match(text, /standard deviation of \d/);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareRuns, judge, type Verdict } from '../../../scripts/compare/verdict.js';
import { around, runOf } from './runs.js';

const base = runOf(around(3), around(70));

describe('the verdict about a difference', () => {
  const cases: readonly {
    resource: 'cpu' | 'memory';
    difference: number;
    noise: number;
    verdict: Verdict;
  }[] = [
    { resource: 'cpu', difference: 0.99, noise: 0, verdict: 'left-out' },
    { resource: 'cpu', difference: -0.99, noise: 0, verdict: 'left-out' },
    { resource: 'cpu', difference: 1, noise: 0.8, verdict: 'red' },
    { resource: 'cpu', difference: 1, noise: 0.81, verdict: 'noise' },
    { resource: 'cpu', difference: -5, noise: 0, verdict: 'less' },
    { resource: 'cpu', difference: -5, noise: 0.9, verdict: 'noise' },
    { resource: 'memory', difference: 9.9, noise: 0, verdict: 'left-out' },
    { resource: 'memory', difference: 10, noise: 0.2, verdict: 'red' },
  ];
  for (const { resource, difference, noise, verdict } of cases)
    it(`is ${verdict} for ${difference} of ${resource} with ${noise * 100} % noise`, () => {
      assert.equal(judge(resource, difference, noise), verdict);
    });
});

describe('the comparison of runs', () => {
  it('is green for a build and itself, in any number of runs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (one, other) => {
        const runs = (count: number) => Array.from({ length: count }, () => base);
        assert.equal(compareRuns(runs(one), runs(other)).isRed, false);
      }),
    );
  });

  it('is red for 5 % of a core more, with the medians, their difference and no noise', () => {
    const { isRed, differences } = compareRuns([base], [runOf(around(8), around(70))]);
    assert.equal(isRed, true);
    const [cpu, memory] = differences;
    assert.equal(cpu?.verdict, 'red');
    assert.ok(Math.abs(cpu.base - 3) < 0.1 && Math.abs(cpu.own - 8) < 0.1);
    assert.ok(Math.abs(cpu.difference - 5) < 0.1);
    assert.ok(cpu.interval[0] < 5 && 5 < cpu.interval[1] && cpu.noise < 0.01);
    assert.equal(memory?.verdict, 'left-out');
  });

  it('is red for 15 MiB more', () => {
    assert.equal(compareRuns([base], [runOf(around(3), around(85))]).isRed, true);
  });

  it('compares whole runs where there are two of each: one that was disturbed does not decide', () => {
    const disturbed = runOf(around(20), around(70));
    const { differences } = compareRuns([base, base, base], [base, disturbed, base]);
    assert.equal(differences[0]?.verdict, 'left-out');
    assert.ok(differences[0].noise > 0.3);
  });

  it('is red for a build that delivers less, however cheap', () => {
    const blind = runOf(around(1), around(40), {
      delivered: { execs: 990, endpoints: 100, connections: 200 },
    });
    const { isRed, deliveries, differences } = compareRuns([base], [blind]);
    assert.equal(isRed, true);
    assert.deepEqual(
      deliveries.map(({ work, verdict }) => [work, verdict]),
      [
        ['execs', 'red'],
        ['endpoints', 'same'],
        ['connections', 'same'],
      ],
    );
    assert.deepEqual(
      differences.map(({ verdict }) => verdict),
      ['less', 'less'],
    );
  });
});

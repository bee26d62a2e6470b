import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  autocorrelation,
  blockMeans,
  deviationOf,
  meanOf,
  welch,
  wilson,
} from '../../../scripts/compare/statistics.js';

/** Hundredths, as samples have them at their finest. */
const values = (least = 2) =>
  fc.array(
    fc.integer({ min: -1e5, max: 1e5 }).map((hundredths) => hundredths / 100),
    { minLength: least },
  );

function near(actual: number, expected: number, digits = 1e-4): void {
  assert.ok(Math.abs(actual - expected) <= digits, `${actual} is not near ${expected}`);
}

describe("Welch's t-test", () => {
  it('gives the figures of R for the sleep of its students (t.test(extra ~ group, data = sleep))', () => {
    const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
    const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
    const { pValue, interval } = welch(first, second);
    near(pValue, 0.07939);
    near(interval[0], -0.2054832);
    near(interval[1], 3.3654832);
  });

  it('finds no difference in equal groups, and their order changes its sign alone', () => {
    fc.assert(
      fc.property(values(), values(), (one, other) => {
        const [there, back] = [welch(one, other), welch(other, one)];
        near(there.pValue, back.pValue, 1e-9);
        near(there.interval[0], -back.interval[1], 1e-6);
        assert.ok(there.pValue >= 0 && there.pValue <= 1 + 1e-9);
        near(welch(one, one).pValue, 1, 1e-9);
      }),
    );
  });

  it('is sure about values without any variance', () => {
    assert.deepEqual(welch([3, 3], [3, 3]), { pValue: 1, interval: [0, 0] });
    assert.deepEqual(welch([3, 3], [4, 4]), { pValue: 0, interval: [1, 1] });
  });
});

describe('means of blocks', () => {
  it('are those of consecutive values, the last with the remainder', () => {
    assert.deepEqual(blockMeans([1, 3, 5, 7, 9], 2), [2, 7]);
    assert.deepEqual(blockMeans([1, 3], 5), [2]);
  });

  it('keep the mean, where blocks are of one length', () => {
    fc.assert(
      fc.property(values(1), fc.integer({ min: 1, max: 9 }), (all, length) => {
        const whole = all.slice(0, all.length - (all.length % length));
        if (whole.length > 0) near(meanOf(blockMeans(whole, length)), meanOf(whole), 1e-6);
      }),
    );
  });
});

describe("Wilson's interval", () => {
  for (const { count, trials, low, high } of [
    { count: 0, trials: 50, low: 0, high: 0.0714 },
    { count: 0, trials: 6, low: 0, high: 0.3903 },
    { count: 5, trials: 50, low: 0.0435, high: 0.2136 },
    { count: 6, trials: 6, low: 0.6097, high: 1 },
    { count: 0, trials: 0, low: 0, high: 1 },
  ])
    it(`of ${count} in ${trials} is from ${low} to ${high}`, () => {
      const interval = wilson(count, trials);
      near(interval[0], low);
      near(interval[1], high);
    });

  it('holds the rate, and lies between 0 and 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (trials, share) => {
          const count = Math.round(trials * share);
          const [low, high] = wilson(count, trials);
          assert.ok(0 <= low && low <= count / trials && count / trials <= high && high <= 1);
        },
      ),
    );
  });
});

describe('the spread of samples', () => {
  it('is the standard deviation of a sample', () => {
    near(deviationOf([2, 4, 4, 4, 5, 5, 7, 9]), Math.sqrt(32 / 7));
    assert.equal(deviationOf([2]), 0);
  });

  it('is alike from one value to the next in a slow series, and opposite in an alternating one', () => {
    assert.ok(autocorrelation([1, 1, 1, 1, 5, 5, 5, 5]) > 0.5);
    assert.ok(autocorrelation([1, 5, 1, 5, 1, 5]) < -0.5);
    assert.equal(autocorrelation([3, 3, 3]), 0);
  });
});

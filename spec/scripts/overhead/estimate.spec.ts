import assert from 'node:assert/strict';
import fc from 'fast-check';
import { estimate } from '../../../scripts/overhead/estimate.js';

const ratio = fc.double({ min: 0.2, max: 5, noNaN: true });

describe('the estimate of a ratio from pairs', () => {
  it('is the ratio itself if all pairs agree', () => {
    const { ratio, low, high } = estimate(Array.from({ length: 10 }, () => 1.25));
    for (const one of [ratio, low!, high!]) assert.ok(Math.abs(one - 1.25) < 1e-12);
  });

  it('has no interval from fewer than 6 pairs, which can not be as sure as 95 %', () => {
    assert.deepEqual(Object.keys(estimate([1, 1.1, 1.2, 1.3, 1.4])), ['ratio']);
  });

  it('has an interval from the least to the largest of 6 pairs', () => {
    const { low, high } = estimate([1.3, 1.1, 1, 1.5, 1.4, 1.2]);
    assert.ok(Math.abs(low! - 1) < 1e-12);
    assert.ok(Math.abs(high! - 1.5) < 1e-12);
  });

  it('leaves out as many means of two as chance may put there, counted over all signs', () => {
    for (const pairs of [6, 8, 10, 12]) {
      const logarithms = Array.from({ length: pairs }, (_, index) => Math.sqrt(index + 1));
      const means = logarithms
        .flatMap((one, index) => logarithms.slice(index).map((other) => (one + other) / 2))
        .sort((a, b) => a - b);
      const { low, high } = estimate(logarithms.map(Math.exp));
      const outside = mostLeftOut(pairs);
      assert.ok(Math.abs(Math.log(low!) - means[outside]!) < 1e-9, `${pairs} pairs`);
      assert.ok(Math.abs(Math.log(high!) - means.at(-1 - outside)!) < 1e-9, `${pairs} pairs`);
    }
  });

  it('lies in its interval, and turns with the direction of the ratio', () => {
    fc.assert(
      fc.property(fc.array(ratio, { minLength: 6, maxLength: 40 }), (ratios) => {
        const { ratio, low, high } = estimate(ratios);
        assert.ok(low! <= ratio && ratio <= high!);
        const turned = estimate(ratios.map((one) => 1 / one));
        assert.ok(Math.abs(turned.ratio * ratio - 1) < 1e-9);
        assert.ok(Math.abs(turned.low! * high! - 1) < 1e-9);
      }),
    );
  });

  it('has the true ratio in 95 % of its intervals, also with some spoilt rounds', () => {
    const random = fc.sample(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), {
      numRuns: 24_000,
      seed: 1,
    });
    // fast-check prefers small numbers: a golden step makes them even.
    const even = random.map((one, index) => (one + index * 0.618_033_988_749_895) % 1);
    const sets = Array.from({ length: 800 }, (_, set) => even.slice(set * 30, set * 30 + 30));
    const covered = sets.filter((set) => {
      // Cauchy's: now and then very far off, in either direction.
      const { low, high } = estimate(
        set.map((one) => 1.1 * Math.exp(0.01 * Math.tan(Math.PI * (one - 0.5)))),
      );
      return low! <= 1.1 && 1.1 <= high!;
    });
    const share = covered.length / sets.length;
    assert.ok(share > 0.92, `${share}`);
  });
});

/** By all patterns of signs: most sums of ranks that are together rarer than 2.5 %. */
function mostLeftOut(pairs: number): number {
  const counts = new Map<number, number>();
  for (let signs = 0; signs < 2 ** pairs; signs++) {
    let sum = 0;
    for (let rank = 1; rank <= pairs; rank++) if ((signs >> (rank - 1)) & 1) sum += rank;
    counts.set(sum, (counts.get(sum) ?? 0) + 1);
  }
  let below = 0;
  for (let sum = 0; ; sum++) {
    below += (counts.get(sum) ?? 0) / 2 ** pairs;
    if (below > 0.025) return sum - 1;
  }
}

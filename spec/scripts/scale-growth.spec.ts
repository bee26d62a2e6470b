import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CACHES, growthOf, growthText } from '../../scripts/scale/growth.js';

describe('the growth of a cost', () => {
  it('is the exponent of a power law, whatever its factor, without an error', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 2, noNaN: true }),
        fc.double({ min: 0.01, max: 1000, noNaN: true }),
        (exponent, factor) => {
          const points = [1000, 10_000, 1_000_000].map((x) => ({ x, y: factor * x ** exponent }));
          const growth = growthOf({ points, most: 1 })!;
          assert.ok(Math.abs(growth.exponent - exponent) < 1e-9);
          assert.ok(growth.error < 1e-6);
        },
      ),
    );
  });

  it('of points beside a power law has an error by how far they lie', () => {
    // By hand, in decades: x 0 1 2 3, y 0 1 3 3; the squares in x are 5 and the products 5.5; the rest is 0.7, over 2.
    const points = [1, 10, 1000, 1000].map((y, at) => ({ x: 10 ** at, y }));
    const { exponent, error } = growthOf({ points, most: 1 })!;
    assert.ok(Math.abs(exponent - 1.1) < 1e-12);
    assert.ok(Math.abs(error - Math.sqrt(0.7 / 2 / 5)) < 1e-12);
  });

  it('meets its target up to n for a sum, and up to what caches cost for one more of the same', () => {
    const curve = (exponent: number, most: number) => ({
      most,
      points: [1, 10, 100].map((x) => ({ x, y: x ** exponent })),
    });
    assert.equal(growthOf(curve(0.99, 1))?.met, true);
    assert.equal(growthOf(curve(1.01, 1))?.met, false);
    assert.equal(growthOf(curve(CACHES - 0.01, 0))?.met, true);
    assert.equal(growthOf(curve(CACHES + 0.01, 0))?.met, false);
  });

  it('of two points is a factor', () => {
    const points = [
      { x: 1, y: 4 },
      { x: 2, y: 3 },
    ];
    assert.equal(growthOf({ points, most: 0 }), undefined);
    assert.equal(growthText({ points, most: 0 }), '×0.75');
  });

  it('is told with its error, and a minus sign', () => {
    const points = [1, 10, 100].map((x) => ({ x, y: 5 / x ** 0.5 }));
    assert.equal(growthText({ points, most: 0 }), 'n^−0.50 ± 0.00');
    const flat = [1, 10, 100].map((x) => ({ x, y: 5 }));
    assert.equal(growthText({ points: flat, most: 0 }), 'n^0.00 ± 0.00');
  });
});

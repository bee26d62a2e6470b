import assert from 'node:assert/strict';
import fc from 'fast-check';
import { leastSquares } from '../../scripts/soak/slope.js';

describe('the slope of samples', () => {
  it('is that of the line which they lie on, without an error', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -100, max: 100 }),
        fc.integer({ min: -100, max: 100 }),
        (slope, offset) => {
          const line = leastSquares([0, 1, 5, 7].map((x) => [x, slope * x + offset]));
          assert.ok(Math.abs(line.slope - slope) < 1e-9);
          assert.ok(line.error < 1e-6);
        },
      ),
    );
  });

  it('of points around a line is its slope, and an error that tells how far they lie', () => {
    // By hand: the squares in x are 10 and the products 8; the rest is 3.6, over 3 degrees of freedom.
    const { slope, error } = leastSquares([
      [1, 2],
      [2, 1],
      [3, 4],
      [4, 3],
      [5, 5],
    ]);
    assert.ok(Math.abs(slope - 0.8) < 1e-12);
    assert.ok(Math.abs(error - Math.sqrt(3.6 / 3 / 10)) < 1e-12);
  });
});

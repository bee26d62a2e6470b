import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fairLevel } from '../../actors/shares/level.js';
import { Refusals } from '../../actors/shares/refusals.js';

describe('the fair level', () => {
  for (const [amounts, total, level] of [
    [[], 10, Infinity],
    [[4, 6], 10, Infinity],
    [[4, 7], 10, 6],
    [[7, 7], 10, 5],
    [[1, 1, 100], 10, 8],
    [[5, 5, 5], 10, 3],
    [[1, 2, 3], 0, 0],
    [[9, 1, 2, 50, 50], 30, 9],
  ] as const) {
    it(`of ${amounts.join(', ') || 'nobody'} with room for ${total} is ${level}`, () => {
      assert.equal(fairLevel(amounts, total), level);
    });
  }

  it('uses all there is, but for less than one an owner, and takes nothing from who has less', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 40 }),
        fc.nat(20_000),
        (amounts, total) => {
          const level = fairLevel(amounts, total);
          const kept = amounts
            .map((amount) => Math.min(amount, level))
            .reduce((sum, amount) => sum + amount, 0);
          assert.ok(kept <= total || level === Infinity);
          const all = amounts.reduce((sum, amount) => sum + amount, 0);
          assert.ok(kept === all || kept > total - amounts.length);
        },
      ),
    );
  });
});

describe('refusals', () => {
  it('name each container once, with what it had lost by then', () => {
    const refusals = new Refusals('things');
    refusals.note(1);
    refusals.note(1, 2);
    refusals.note(2);
    assert.deepEqual(refusals.take(), [
      { of: 'things', container: 1, count: 3 },
      { of: 'things', container: 2, count: 1 },
    ]);
    refusals.note(1);
    refusals.note(0);
    assert.deepEqual(refusals.take(), [{ of: 'things', container: 0, count: 1 }]);
    assert.deepEqual(refusals.take(), []);
  });

  it('name no more than 64 at a time, and the others later', () => {
    const refusals = new Refusals('things');
    const note = () => Array.from({ length: 100 }, (_, container) => refusals.note(container));
    note();
    assert.equal(refusals.take().length, 64);
    note();
    assert.equal(refusals.take().length, 36);
  });
});

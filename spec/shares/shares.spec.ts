import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Shares } from '../../actors/shares/shares.js';

/** What is there, by owner: the oldest first. */
type Members = Map<number, Map<number, number>>;

describe('shares', () => {
  it('give up the oldest of the owner with most', () => {
    const shares = new Shares<string>(16);
    shares.add(1, 'small', 3);
    for (const name of ['a', 'b', 'c']) shares.add(2, name, 5);
    assert.equal(shares.used, 18);
    assert.deepEqual(shares.excess(), { owner: 2, member: 'a' });
    shares.remove(2, 'a');
    assert.equal(shares.excess(), undefined);
    assert.equal(shares.of(2), 10);
  });

  it('let go of what one owner alone has too much of', () => {
    const shares = new Shares<number>(4);
    for (let member = 0; member < 4; member++) shares.add(1, member, 1);
    assert.equal(shares.excess(), undefined);
    shares.add(1, 4, 1);
    assert.deepEqual(shares.excess(), { owner: 1, member: 0 });
  });

  it('take nothing from who is within a share that has grown since others had to give way', () => {
    const shares = new Shares<string>(32);
    for (const owner of [1, 2, 3, 4, 5, 6]) for (const name of ['a', 'b']) shares.add(owner, name, 3);
    for (let excess; (excess = shares.excess()) !== undefined;) shares.remove(excess.owner, excess.member);
    assert.equal(shares.of(6), 3);
    for (const owner of [2, 3, 4, 5]) for (const name of ['a', 'b']) shares.remove(owner, name);
    // Two owners: 15 for each.
    shares.add(6, 'c', 20);
    shares.add(1, 'c', 4);
    assert.equal(shares.excess()?.owner, 6);
  });

  it('stay within the bound and take nothing from who has no more than a fair share, whatever the history', () => {
    const ROOM = 160;
    const step = fc.record({
      owner: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(1, 2) },
        { weight: 3, arbitrary: fc.integer({ min: 3, max: 8 }) },
      ),
      units: fc.integer({ min: 1, max: 12 }),
      removes: fc.integer({ min: 0, max: 7 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 600, size: 'max' }), (steps) => {
        const shares = new Shares<number>(ROOM);
        const there: Members = new Map();
        const unitsOf = (owner: number) =>
          [...(there.get(owner)?.values() ?? [])].reduce((sum, one) => sum + one, 0);
        steps.forEach(({ owner, units, removes }, member) => {
          const members = there.get(owner) ?? new Map<number, number>();
          there.set(owner, members);
          if (removes === 0) {
            const [oldest] = members.keys();
            if (oldest !== undefined) shares.remove(owner, oldest);
            members.delete(oldest!);
          } else {
            members.set(member, units);
            shares.add(owner, member, units);
          }
          const before = new Map([...there.keys()].map((each) => [each, unitsOf(each)]));
          for (let excess; (excess = shares.excess()) !== undefined;) {
            const [oldest] = there.get(excess.owner)!.keys();
            assert.equal(excess.member, oldest);
            there.get(excess.owner)!.delete(excess.member);
            shares.remove(excess.owner, excess.member);
          }
          assert.equal(
            shares.used,
            [...there.keys()].reduce((sum, each) => sum + unitsOf(each), 0),
          );
          assert.ok(shares.used <= ROOM);
          const owners = [...before.values()].filter((units) => units > 0).length;
          for (const [each, had] of before) {
            assert.equal(shares.of(each), unitsOf(each));
            // But for the units of one member, since members are whole.
            const share = Math.floor((ROOM * 15) / 16 / Math.max(owners, 1)) - 12;
            assert.ok(unitsOf(each) >= Math.min(had, share), `${each} has ${unitsOf(each)} of ${had}`);
          }
        });
      }),
      { numRuns: 200 },
    );
  });
});

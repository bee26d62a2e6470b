import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  MOST_PER_WINDOW,
  SignalThrottle,
  WINDOW_NS,
  type ThrottleKey,
} from '../../actors/processes/throttle.js';

const SEED = 'abcdef012345678';
const SECOND = 1e9;
const ls: ThrottleKey = { container: 2 ** 48 + 7, name: 'ls', args: '-l', path: '/bin/ls' };

function key(args: number | string): ThrottleKey {
  return { ...ls, args: String(args) };
}

/** How many of so many signals are told. */
function told(throttle: SignalThrottle, count: number, of: ThrottleKey, time = 0): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Number(throttle.admits(of, time + i));
  return sum;
}

/** The rule itself, with all the memory that it wants. */
class Oracle {
  readonly #windows = new Map<string, { start: number; told: number }>();

  admits(of: string, time: number): boolean {
    let window = this.#windows.get(of);
    if (window === undefined || time - window.start >= WINDOW_NS) {
      window = { start: time, told: 0 };
      this.#windows.set(of, window);
    }
    return ++window.told <= MOST_PER_WINDOW;
  }
}

describe('the throttle of process signals', () => {
  it('lets ten of a key through in half an hour, and counts the others', () => {
    const throttle = new SignalThrottle(SEED);
    assert.equal(told(throttle, 25, ls), 10);
    assert.equal(throttle.suppressed, 15);
    assert.equal(told(throttle, 1, ls, WINDOW_NS - 1), 0);
    assert.equal(told(throttle, 25, ls, WINDOW_NS), 10);
    assert.equal(throttle.forgotten, 0);
  });

  const others: readonly (readonly [string, Partial<ThrottleKey>])[] = [
    ['container', { container: 2 ** 48 + 8 }],
    ['container, in the digits that a 32-bit number has no room for', { container: 2 ** 48 + 2 ** 40 + 7 }],
    ['name', { name: 'dir' }],
    ['path', { path: '/usr/bin/ls' }],
    ['arguments', { args: '-a' }],
    ['arguments, at their 256th character', { args: `${'x'.repeat(255)}b` }],
  ];
  for (const [what, other] of others) {
    it(`takes another ${what} for another key`, () => {
      const throttle = new SignalThrottle(SEED);
      told(throttle, 11, { ...ls, args: other.args?.startsWith('x') ? `${'x'.repeat(255)}a` : ls.args });
      assert.equal(told(throttle, 11, { ...ls, ...other }), 10);
    });
  }

  it('takes arguments that differ behind their 256th character for the same', () => {
    const throttle = new SignalThrottle(SEED);
    assert.equal(told(throttle, 7, key(`${'x'.repeat(256)}a`)), 7);
    assert.equal(told(throttle, 7, key(`${'x'.repeat(256)}b`)), 3);
  });

  const steps = fc.array(fc.tuple(fc.nat(12), fc.nat(400)), { maxLength: 400 });

  it('keeps to the rule exactly as long as it has room', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const throttle = new SignalThrottle(SEED, 64);
        const oracle = new Oracle();
        let time = 0;
        for (const [name, seconds] of all) {
          time += seconds * SECOND;
          assert.equal(throttle.admits(key(name), time), oracle.admits(String(name), time));
        }
        assert.equal(throttle.forgotten, 0);
      }),
    );
  });

  it('never holds back what the rule would tell of a key that is told least, and counts what it forgets', () => {
    const crowd = fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { minLength: 200, maxLength: 1500 });
    fc.assert(
      fc.property(crowd, (all) => {
        const throttle = new SignalThrottle(SEED, 1);
        /** When each key was told. */
        const times = new Map<number, number[]>();
        let [time, suppressed] = [0, 0];
        for (const [name, seconds] of all) {
          time += seconds * SECOND;
          const before = times.get(name) ?? [];
          if (throttle.admits(key(name), time)) times.set(name, [...before, time]);
          else {
            suppressed++;
            // Held back only when it was told ten times within a window that is not over.
            const recent = before.filter((at) => time - at < WINDOW_NS);
            assert.ok(recent.length >= MOST_PER_WINDOW);
          }
        }
        assert.equal(throttle.suppressed, suppressed);
        // More than in two windows that touch, only after it was forgotten: once for each ten at the most.
        let tooMany = 0;
        for (const at of times.values()) {
          for (const first of at) {
            const within = at.filter((other) => other >= first && other - first < WINDOW_NS).length;
            tooMany = Math.max(tooMany, Math.ceil(within / MOST_PER_WINDOW) - 2);
          }
        }
        assert.ok(tooMany <= throttle.forgotten);
      }),
      { numRuns: 50 },
    );
  });

  it('holds on to throttled keys while a million others are told once', function () {
    this.timeout(60_000);
    const throttle = new SignalThrottle(SEED);
    const hot = Array.from({ length: 100 }, (_, i) => key(`hot ${i}`));
    for (const one of hot) told(throttle, 10, one);
    let again = 0;
    for (let i = 0; i < 1_000_000; i++) {
      assert.ok(throttle.admits(key(i), i), 'what is new is told');
      if (i % 1000 === 0) for (const one of hot) again += told(throttle, 1, one, i);
    }
    assert.equal(again, 0);
    // What it forgot is the flood, all but the 65,536 that there is room for.
    assert.equal(throttle.forgotten, 1_000_000 + hot.length - 65_536);
  });

  it('uses up what is over before it forgets anything', () => {
    const throttle = new SignalThrottle(SEED, 1);
    for (let i = 0; i < 16; i++) told(throttle, 10, key(i), i);
    for (let i = 16; i < 32; i++) told(throttle, 1, key(i), WINDOW_NS + i);
    assert.equal(throttle.forgotten, 0);
    told(throttle, 1, key(32), WINDOW_NS + 32);
    assert.equal(throttle.forgotten, 1);
  });

  it('gives the same for the same seed, whatever that is', () => {
    const run = (seed: string) => {
      const throttle = new SignalThrottle(seed, 2);
      const given = Array.from({ length: 2000 }, (_, i) => throttle.admits(key((i * i) % 97), i));
      return { given, forgotten: throttle.forgotten };
    };
    assert.deepEqual(run(SEED), run(SEED));
    assert.notDeepEqual(run(SEED), run('012345678abcdef'));
  });
});

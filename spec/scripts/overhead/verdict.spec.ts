import assert from 'node:assert/strict';
import type { Interval } from '../../../scripts/overhead/estimate.js';
import { judge, type Target } from '../../../scripts/overhead/verdict.js';

const any: Interval = { ratio: 1 };
const around = (ratio: number, off: number): Interval => ({ ratio, low: ratio - off, high: ratio + off });

describe('the verdict on a target', () => {
  const exec: Target = { kind: 'node', most: 1.05 };
  const node = (interval: Interval) => judge(exec, { clock: any, node: interval });

  it('is met if the whole interval is', () => {
    assert.deepEqual(node(around(1.03, 0.02)), { target: 'node ≤ ×1.05', verdict: 'met', distance: 0 });
  });

  it('is missed if none of it is, by the distance of the estimate', () => {
    const { verdict, distance } = node(around(1.09, 0.02));
    assert.equal(verdict, 'missed');
    assert.ok(Math.abs(distance - 0.04) < 1e-12);
  });

  it('is open while the interval reaches to both sides, or there is none', () => {
    assert.equal(node(around(1.05, 0.02)).verdict, 'open');
    assert.equal(node({ ratio: 1.01 }).verdict, 'open');
  });

  it('takes a rate by the clock', () => {
    const redis: Target = { kind: 'rate', least: 0.99 };
    const clock = (interval: Interval) => judge(redis, { clock: interval, node: any });
    assert.deepEqual(clock(around(1.005, 0.004)), {
      target: 'rate ≥ 0.99 of bare',
      verdict: 'met',
      distance: 0,
    });
    assert.equal(clock(around(1.02, 0.004)).verdict, 'missed');
  });

  describe('on noise', () => {
    const noise = (interval: Interval) => judge({ kind: 'noise' }, { clock: interval, node: any }).verdict;

    it('is met if nothing is seen where 1 % would be', () => {
      assert.equal(noise(around(1.001, 0.005)), 'met');
      assert.equal(noise(around(0.98, 0.01)), 'met');
    });

    it('is open if a cost could hide in a wide interval', () => {
      assert.equal(noise(around(1.001, 0.05)), 'open');
    });

    it('is missed if the interval leaves no doubt of a cost', () => {
      assert.equal(noise(around(1.006, 0.005)), 'missed');
    });
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ringPlan } from '../../actors/settings/ring-plan.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const defaults = { bufferSize: 8 * MIB, totalBufferSize: 512 * MIB, cpusPerBuffer: 1 };

describe('ringPlan', () => {
  it('gives each CPU its ring', () => {
    assert.deepEqual(ringPlan(2, defaults), { rings: 2, bytesPerRing: 8 * MIB, cpusPerRing: 1 });
    assert.deepEqual(ringPlan(64, defaults), { rings: 64, bytesPerRing: 8 * MIB, cpusPerRing: 1 });
  });

  it('halves the rings until they fit the total', () => {
    assert.deepEqual(ringPlan(65, defaults), { rings: 65, bytesPerRing: 4 * MIB, cpusPerRing: 1 });
    assert.deepEqual(ringPlan(256, defaults), { rings: 256, bytesPerRing: 2 * MIB, cpusPerRing: 1 });
    assert.deepEqual(ringPlan(1, { ...defaults, totalBufferSize: 5 * MIB }), {
      rings: 1,
      bytesPerRing: 4 * MIB,
      cpusPerRing: 1,
    });
  });

  it('lets CPUs share a ring', () => {
    assert.deepEqual(ringPlan(10, { ...defaults, cpusPerBuffer: 4 }), {
      rings: 3,
      bytesPerRing: 8 * MIB,
      cpusPerRing: 4,
    });
    assert.deepEqual(ringPlan(10, { ...defaults, cpusPerBuffer: 0 }), {
      rings: 1,
      bytesPerRing: 8 * MIB,
      cpusPerRing: 10,
    });
    assert.deepEqual(ringPlan(2, { ...defaults, cpusPerBuffer: 16 }), {
      rings: 1,
      bytesPerRing: 8 * MIB,
      cpusPerRing: 2,
    });
  });

  it('lets more CPUs share a ring when rings of one page are too much', () => {
    assert.deepEqual(ringPlan(8, { ...defaults, totalBufferSize: 16 * KIB }), {
      rings: 4,
      bytesPerRing: 4 * KIB,
      cpusPerRing: 2,
    });
  });

  it('always keeps the total, whole pages and a ring for every CPU', () => {
    const settings = fc.record({
      bufferSize: fc.integer({ min: 12, max: 30 }).map((power) => 2 ** power),
      totalBufferSize: fc.integer({ min: 4096, max: 4 * 1024 * MIB }),
      cpusPerBuffer: fc.integer({ min: 0, max: 600 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), settings, (cpus, given) => {
        const { rings, bytesPerRing, cpusPerRing } = ringPlan(cpus, given);
        assert.ok(rings * bytesPerRing <= given.totalBufferSize);
        assert.ok(
          Number.isInteger(Math.log2(bytesPerRing)) &&
            bytesPerRing >= 4096 &&
            bytesPerRing <= given.bufferSize,
        );
        assert.equal(Math.floor((cpus - 1) / cpusPerRing), rings - 1, 'the last CPU has the last ring');
        const wasted = rings * bytesPerRing * 2 <= given.totalBufferSize && bytesPerRing < given.bufferSize;
        assert.ok(!wasted, 'halved no further than needed');
      }),
    );
  });
});

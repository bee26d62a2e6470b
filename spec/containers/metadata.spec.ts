import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ContainerMetadata, ContainersFact } from '../../actors/capture/facts.js';
import { MOST_NAMED } from '../../actors/containers/metadata.js';
import { ContainerState } from '../../actors/containers/state.js';
import { batch, execRecord } from '../support/records.js';

const MINUTE_NS = 60e9;
const idOf = (number: number) => number.toString(16).padStart(12, '0');

function metadata(id: string, pod = 'web-0'): ContainerMetadata {
  return { id, namespace: 'shop', pod, podUid: 'u', name: 'main', image: 'i', imageDigest: '', labels: {} };
}

function told(ids: readonly string[], time = 0, pod?: string): ContainersFact {
  return { kind: 'containers', time, updated: ids.map((id) => metadata(id, pod)), removed: [] };
}

function removed(ids: readonly string[], time: number): ContainersFact {
  return { kind: 'containers', time, updated: [], removed: ids };
}

describe('what runtimes told of containers', () => {
  const [id, other] = [idOf(1), idOf(2)];

  it('is known by id, as it was told last', () => {
    const state = new ContainerState();
    state.fold(told([id]));
    state.fold(told([id], 1, 'web-1'));
    assert.deepEqual(state.metadata(id), metadata(id, 'web-1'));
    assert.equal(state.metadata(other), undefined);
  });

  it('stays for ten minutes after the container was removed', () => {
    const state = new ContainerState();
    state.fold(told([id]));
    state.fold(removed([id], MINUTE_NS));
    const tick = { kind: 'tick', epoch: 0, audience: 'same' } as const;
    state.fold({ ...tick, time: 11 * MINUTE_NS - 1 });
    assert.deepEqual(state.metadata(id), metadata(id));
    state.fold({ ...tick, time: 11 * MINUTE_NS });
    assert.equal(state.metadata(id), undefined);
  });

  it('has room: the removed go first, then the oldest, which are counted', () => {
    const state = new ContainerState();
    const full = Array.from({ length: MOST_NAMED }, (_, number) => idOf(number));
    state.fold(told(full));
    state.fold(removed([idOf(7)], 1));
    state.fold(told([idOf(MOST_NAMED)], 2));
    assert.equal(state.metadata(idOf(7)), undefined);
    assert.equal(state.namesEvicted, 0);
    state.fold(told([idOf(MOST_NAMED + 1)], 3));
    assert.equal(state.metadata(idOf(0)), undefined);
    assert.deepEqual(state.metadata(idOf(1)), metadata(idOf(1)));
    assert.equal(state.namesEvicted, 1);
  });

  it('is what is there now, whatever came and went within ten minutes', () => {
    const change = fc.record({ isRemoved: fc.boolean(), number: fc.nat(5), pod: fc.constantFrom('a', 'b') });
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const state = new ContainerState();
        const expected = new Map<string, string>();
        for (const { isRemoved, number, pod } of changes) {
          state.fold(isRemoved ? removed([idOf(number)], 0) : told([idOf(number)], 0, pod));
          if (!isRemoved) expected.set(idOf(number), pod);
        }
        for (let number = 0; number <= 5; number++)
          assert.equal(state.metadata(idOf(number))?.pod, expected.get(idOf(number)));
      }),
    );
  });

  it('is missed once for each container that is met without', () => {
    const state = new ContainerState();
    const meet = (container: string) =>
      state.fold({ kind: 'records', time: 1, records: batch(execRecord({ container })) });
    state.fold(told([id]));
    meet(id);
    assert.equal(state.unknownContainers, 0);
    meet(other);
    meet(other);
    assert.equal(state.unknownContainers, 1);
  });
});

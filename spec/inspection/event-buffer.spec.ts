import assert from 'node:assert/strict';
import { EventBuffer } from '../../actors/inspection/page/event-buffer.js';
import { EVENT_KEYS, Filter } from '../../actors/inspection/page/filter.js';
import type { EventRow } from '../../actors/inspection/protocol.js';

function row(pid: number): EventRow {
  const kind = pid % 2 === 0 ? 'exec' : 'exit';
  return { kind, time: pid, container: '', namespace: '', pod: '', name: '', pid, process: 'sh' };
}

function pids(buffer: EventBuffer): number[] {
  return buffer.newestFirst().map(({ row }) => row.pid);
}

describe('The events of the page', () => {
  it('are the newest, newest first', () => {
    const buffer = new EventBuffer(3);
    buffer.add([1, 2].map(row));
    buffer.add([3, 4].map(row));
    assert.deepEqual([pids(buffer), buffer.all], [[4, 3, 2], 3]);
  });

  it('are filtered as they come, and anew by another filter', () => {
    const buffer = new EventBuffer(4);
    buffer.filter = Filter.parse('kind:exec', EVENT_KEYS);
    buffer.add([1, 2, 3, 4].map(row));
    buffer.add([5, 6].map(row));
    assert.deepEqual(pids(buffer), [6, 4]);
    buffer.filter = Filter.parse('-kind:exec', EVENT_KEYS);
    assert.deepEqual(pids(buffer), [5, 3]);
  });

  it('wait while paused, counted and bounded', () => {
    const buffer = new EventBuffer(3);
    buffer.add([1, 2].map(row));
    buffer.pause();
    buffer.add([3, 4, 5, 6].map(row));
    assert.deepEqual([pids(buffer), buffer.sincePause, buffer.isPaused], [[2, 1], 4, true]);
    buffer.resume();
    assert.deepEqual([pids(buffer), buffer.sincePause, buffer.isPaused], [[6, 5, 4], 0, false]);
  });
});

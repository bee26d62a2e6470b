import assert from 'node:assert/strict';
import { EventMeter, type EventName } from '../../actors/capture/event-meter.js';
import type { Records } from '../../actors/capture/records.js';
import { batch, execRecord, exitRecord, processRecord, socketRecord } from '../support/records.js';

const HOUR = 3600e9;

function counts(meter: EventMeter): Partial<Record<EventName, number>> {
  return Object.fromEntries(
    meter.events.filter(({ count }) => count > 0).map(({ name, count }) => [name, count]),
  );
}

function records(all: Records, time = 10): Parameters<EventMeter['take']>[0] {
  return { kind: 'records', time, records: all };
}

describe('The meter of events', () => {
  it('counts each type under the name that its metric has', () => {
    const meter = new EventMeter();
    meter.take(
      records(
        batch(
          execRecord(),
          execRecord(),
          exitRecord(),
          processRecord(),
          socketRecord({ type: 'open', role: 'client' }),
          socketRecord({ type: 'open', role: 'server' }),
          socketRecord({ type: 'close', role: 'server' }),
          socketRecord({ type: 'listen' }),
          socketRecord({ type: 'unlisten' }),
        ),
      ),
    );
    assert.deepEqual(counts(meter), {
      execve: 2,
      procexit: 1,
      process: 1,
      connect: 1,
      accept: 1,
      close: 1,
      listen: 1,
      unlisten: 1,
    });
    assert.equal(meter.total, 9);
    assert.equal(meter.connectionUpdates, 3);
    assert.equal(meter.endpointUpdates, 2);
  });

  it('counts what a scan of sockets tells as updates, not as events', () => {
    const meter = new EventMeter();
    const listed = batch(
      socketRecord({ type: 'socket', state: 10 }),
      socketRecord({ type: 'socket', state: 1 }),
      socketRecord({ type: 'socket', state: 1 }),
    );
    meter.take({ kind: 'scan', of: 'sockets', audience: 'same', time: 10, records: listed });
    meter.take({
      kind: 'scan',
      of: 'processes',
      audience: 'same',
      time: 10,
      records: batch(processRecord()),
    });
    assert.deepEqual([meter.connectionUpdates, meter.endpointUpdates, meter.total], [2, 1, 0]);
  });

  it('shares the time of the latest batch out among its events', () => {
    const meter = new EventMeter();
    meter.take(records(batch(exitRecord())));
    meter.share('process', 5);
    meter.take(records(batch(execRecord(), execRecord(), execRecord(), exitRecord())));
    meter.share('parse', 4);
    meter.share('process', 40);
    const times = (name: EventName) => meter.events.find((event) => event.name === name)!.times;
    assert.deepEqual(times('execve'), { parse: 3, process: 30 });
    assert.deepEqual(times('procexit'), { parse: 1, process: 15 });
    assert.deepEqual(times('connect'), { parse: 0, process: 0 });
  });

  it('shares nothing when the batch was empty', () => {
    const meter = new EventMeter();
    meter.take(records(batch()));
    meter.share('process', 5);
    assert.ok(meter.events.every(({ times }) => times.process === 0));
  });

  it('counts events that are older than an hour, and those that are of the future', () => {
    const meter = new EventMeter();
    const at = [0, 1, HOUR, 2 * HOUR, 2 * HOUR + 1, 3 * HOUR];
    meter.take(records(batch(...at.map((time) => exitRecord({ time }))), 2 * HOUR));
    assert.deepEqual([meter.distantPast, meter.future], [2, 2]);
  });
});

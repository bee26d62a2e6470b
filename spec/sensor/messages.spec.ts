import assert from 'node:assert/strict';
import fc from 'fast-check';
import { networkJson, processJson } from '../../actors/output/json.js';
import {
  decodeControlMessage,
  largeSignalMessage,
  networkMessage,
  networkRegistration,
  signalMessage,
  signalRegistration,
} from '../../actors/sensor/messages.js';
import { messageType } from '../support/proto-json.js';
import { TIME, delta, signal } from '../support/reports.js';

const nginx = { name: 'nginx', path: '/usr/sbin/nginx', args: '-g daemon' };

/** A message read by the .proto files alone, in the JSON form that standalone output has. */
function read(type: string, bytes: Buffer): unknown {
  const message = messageType(type);
  const plain = message.toObject(message.decode(bytes), { enums: String, bytes: String, longs: Number });
  return JSON.parse(JSON.stringify(plain), (_, value: unknown) => timeText(value)) as unknown;
}

/** A google.protobuf.Timestamp as text. */
function timeText(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('seconds' in value)) return value;
  const { seconds, nanos = 0 } = value as { seconds: number; nanos?: number };
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${text}.${String(nanos / 1000).padStart(6, '0')}Z`;
}

describe('messages to Sensor', () => {
  it('have of a process what standalone output has', () => {
    const sent = read('sensor.SignalStreamMessage', signalMessage(signal));
    assert.deepEqual(sent, JSON.parse(processJson(signal)));
  });

  it('leave out of a process what is not there', () => {
    const bare = { ...signal, args: '', uid: 0, gid: 0, scraped: false, lineage: [] };
    const sent = read('sensor.SignalStreamMessage', signalMessage(bare));
    assert.deepEqual(sent, JSON.parse(processJson(bare)));
  });

  it('have the same bytes of a process, whether it is small or large', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 5000 }));
    const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const changes = fc.record({
      name: text,
      args: text,
      path: text,
      pid: number,
      uid: number,
      gid: number,
      scraped: fc.boolean(),
      time: fc.integer({ min: 0, max: 2 ** 52 }),
      lineage: fc.array(fc.record({ pid: number, uid: number, path: text }), { maxLength: 12 }),
    });
    fc.assert(
      fc.property(changes, (changed) => {
        const changedSignal = { ...signal, ...changed };
        assert.deepEqual(signalMessage(changedSignal), largeSignalMessage(changedSignal));
      }),
    );
  });

  it('have of the network what standalone output has', () => {
    const sent = read(
      'sensor.NetworkConnectionInfoMessage',
      networkMessage(delta, TIME, () => nginx),
    );
    assert.deepEqual(sent, JSON.parse(networkJson(delta, TIME, () => nginx)));
  });

  it('have a local address of a server alone: of a client the field is absent', () => {
    const message = messageType('sensor.NetworkConnectionInfoMessage');
    const { info } = message.decode(networkMessage(delta, TIME, () => nginx)) as unknown as {
      info: { updatedConnections: readonly object[] };
    };
    const hasField = info.updatedConnections.map((connection) => Object.hasOwn(connection, 'localAddress'));
    assert.deepEqual(hasField, [false, true]);
  });

  it('say first on each stream which node it is, and which life of its collector', () => {
    const registration = { hostname: 'node-1', instanceId: 'abc' };
    assert.deepEqual(read('sensor.SignalStreamMessage', signalRegistration(registration)), {
      collectorRegisterRequest: registration,
    });
    assert.deepEqual(read('sensor.NetworkConnectionInfoMessage', networkRegistration(registration)), {
      register: registration,
    });
  });

  it('come back as Sensor wrote them', () => {
    const type = messageType('sensor.NetworkFlowsControlMessage');
    const bytes = type.encode({ ipNetworks: { ipv4Networks: Buffer.of(10, 0, 0, 0, 8) } }).finish();
    const message = decodeControlMessage(bytes as Buffer);
    assert.deepEqual([...message.ipNetworks!.ipv4Networks!], [10, 0, 0, 0, 8]);
    assert.throws(() => decodeControlMessage(Buffer.of(0x0a, 0x7f)));
  });
});

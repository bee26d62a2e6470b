import assert from 'node:assert/strict';
import type { Delta } from '../../actors/connections/report.js';
import { networkMessage as networkJson, processMessage } from '../../actors/output/json.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import {
  decodeControl,
  networkMessage,
  networkRegistration,
  signalMessage,
  signalRegistration,
} from '../../actors/sensor/messages.js';
import { messageType } from '../support/proto-json.js';
import { containerNumber } from '../support/records.js';

const ID = '4f2a91bc03de';
/** 2023-11-14T22:13:20Z and 7 µs */
const TIME = 1_700_000_000_000_007;
const NOTHING = new Uint8Array(0);

const signal: ProcessSignal = {
  record: 0,
  id: 'abcdef01-2345-8678-8000-000000000000',
  container: containerNumber(ID),
  time: TIME,
  name: 'ls',
  path: '/bin/ls',
  args: '-l "ü"\n',
  pid: 10,
  uid: 1000,
  gid: 100,
  scraped: true,
  lineage: [
    { pid: 5, uid: 0, path: '/bin/sh' },
    { pid: 1, uid: 1000, path: '/init' },
  ],
};
const delta: Delta = {
  connections: [
    {
      container: containerNumber(ID),
      protocol: 6,
      role: 2,
      local: { address: NOTHING, port: 0, network: NOTHING },
      remote: { address: Uint8Array.of(10, 0, 0, 2), port: 80, network: Uint8Array.of(10, 0, 0, 0, 8) },
      closedAt: TIME,
    },
    {
      container: containerNumber(ID),
      protocol: 17,
      role: 1,
      local: { address: NOTHING, port: 53, network: NOTHING },
      remote: { address: new Uint8Array(16).fill(255), port: 0, network: NOTHING },
      closedAt: undefined,
    },
  ],
  endpoints: [
    {
      container: containerNumber(ID),
      protocol: 6,
      family: 10,
      listen: { address: new Uint8Array(16), port: 80, network: Uint8Array.of(...new Uint8Array(16), 128) },
      originator: 3,
      closedAt: TIME,
    },
    {
      container: containerNumber(ID),
      protocol: 6,
      family: 2,
      listen: { address: new Uint8Array(4), port: 81, network: Uint8Array.of(0, 0, 0, 0, 32) },
      originator: 0,
      closedAt: undefined,
    },
  ],
};
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
    assert.deepEqual(sent, JSON.parse(processMessage(signal)));
  });

  it('leave out of a process what is not there', () => {
    const bare = { ...signal, args: '', uid: 0, gid: 0, scraped: false, lineage: [] };
    const sent = read('sensor.SignalStreamMessage', signalMessage(bare));
    assert.deepEqual(sent, JSON.parse(processMessage(bare)));
  });

  it('have of the network what standalone output has', () => {
    const sent = read(
      'sensor.NetworkConnectionInfoMessage',
      networkMessage(delta, TIME, () => nginx),
    );
    assert.deepEqual(sent, JSON.parse(networkJson(delta, TIME, () => nginx)));
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
    const message = decodeControl(bytes as Buffer);
    assert.deepEqual([...message.ipNetworks!.ipv4Networks!], [10, 0, 0, 0, 8]);
    assert.throws(() => decodeControl(Buffer.of(0x0a, 0x7f)));
  });
});

/**
 * What a process signal costs on its way to the wire: `npx tsx scripts/proto.ts && npx tsx scripts/bench/wire.ts`.
 * The code that protobufjs generates at build against what it makes of the .proto files at run time (reflection), in
 * turn.
 */
import path from 'node:path';
import protobuf from 'protobufjs';
import { signalMessage } from '../../actors/sensor/messages.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import { medianOf } from './statistics.js';

const ROUNDS = 15;
const MESSAGES = 50_000;

const proto = path.resolve(import.meta.dirname, '../../proto');
const root = new protobuf.Root();
root.resolvePath = (_, target) =>
  target.startsWith('google/') ? target : path.join(proto, path.basename(target));
const reflected = root.loadSync(path.join(proto, 'sensor.proto')).lookupType('sensor.SignalStreamMessage');

const signal: ProcessSignal = {
  record: 0,
  id: '3f2504e0-4f89-81d3-89a0-000000000001',
  container: 2 ** 48 + 0x6f2a91bc03de,
  sharer: 2 ** 48 + 0x6f2a91bc03de,
  time: 1_795_000_000_123_456,
  name: 'nginx',
  path: '/usr/sbin/nginx',
  args: '-g daemon off; -c /etc/nginx/nginx.conf',
  pid: 12_345,
  uid: 101,
  gid: 101,
  scraped: false,
  lineage: [
    { pid: 7, uid: 0, path: '/docker-entrypoint.sh' },
    { pid: 1, uid: 0, path: '/bin/busybox' },
  ],
};

function reflectedMessage(): Uint8Array {
  const { time, args, container, lineage, ...same } = signal;
  const processSignal = {
    ...same,
    containerId: (container - 2 ** 48).toString(16),
    args,
    execFilePath: same.path,
    time: { seconds: Math.floor(time / 1e6), nanos: (time % 1e6) * 1000 },
    lineageInfo: lineage.map(({ uid, path }) => ({ parentUid: uid, parentExecFilePath: path })),
  };
  return reflected.encode({ signal: { processSignal } }).finish();
}

const ways: Readonly<Record<string, () => Uint8Array>> = {
  generated: () => signalMessage(signal),
  reflection: reflectedMessage,
};
const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
let bytes = 0;
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, encode] of Object.entries(ways)) {
    const before = process.cpuUsage();
    for (let n = 0; n < MESSAGES; n++) bytes += encode().length;
    const { user, system } = process.cpuUsage(before);
    times.get(name)!.push(((user + system) * 1000) / MESSAGES);
  }
}
console.log(`${Math.round(bytes / (ROUNDS * MESSAGES * 2))} bytes a message`);
for (const [name, values] of times) {
  const ns = medianOf(values.slice(ROUNDS >> 1));
  console.log(`${name}: ${Math.round(ns)} ns a message, ${Math.round(1e9 / ns)} a second on one core`);
}

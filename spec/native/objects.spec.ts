import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupRoot } from '../../actors/capture/cgroup-root.js';
import {
  holder,
  process_record,
  record_header,
  RecordType,
  SocketRole,
  socket_record,
} from '../../actors/capture/layout.js';
import { Records, socketParts } from '../../actors/capture/records.js';
import { loadAddon, type Addon, type Probe } from '../../native/index.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';
import { workload } from '../support/workload.js';

const root = path.resolve(import.meta.dirname, '../..');
const objects = {
  '5.12': path.join(root, 'native/build/collector.bpf.o'),
  '5.8': path.join(root, 'native/build/collector-5.8.bpf.o'),
} as const;

/** Both objects watch the same workload at the same time, each by itself. */
describe('the BPF objects for newer and for older kernels', function () {
  this.timeout(60_000);
  let addon: Addon;
  const probes: Probe[] = [];
  const jobs: ChildProcess[] = [];

  before(function () {
    requires(this, isRoot, 'loading BPF programs needs root');
    requires(this, cgroupRoot('') !== undefined, 'no root of a cgroup2 hierarchy');
    addon = loadAddon(path.join(root, 'dist/collector.node'));
  });
  afterEach(() => {
    for (const job of jobs.splice(0)) job.kill('SIGKILL');
    for (const probe of probes.splice(0)) probe.close();
  });

  function load(object: string): Probe {
    const probe = new addon.Probe({
      ...plainProbe,
      object,
      rings: 1, // so that records come in their order
      ringBytes: 4 * 1024 * 1024,
      cpusPerRing: addon.possibleCpus,
      allScopes: true,
      loopback: true,
      pending: true,
      cgroupV1: true,
      cgroupRoot: cgroupRoot('')!,
      udpWindow: 1000,
      udpListeners: true,
    });
    probes.push(probe);
    return probe;
  }

  /** Loads an object and gathers what its programs write. */
  function watch(object: string): { probe: Probe; events: Records[] } {
    const probe = load(object);
    probe.attach();
    const events: Records[] = [];
    const buffer = new Uint8Array(1024 * 1024);
    const keep = (length: number) => events.push(new Records(buffer.slice(0, length)));
    probe.start(buffer, keep, (error) => assert.fail(error));
    return { probe, events };
  }

  /** Starts a job of the workload; waits for what it says, or for its end. */
  async function run(words: readonly (string | number)[], said?: string): Promise<ChildProcess> {
    const job = spawn(workload(), words.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    jobs.push(job);
    let output = '';
    job.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    if (said === undefined) await once(job, 'exit');
    else await eventually(() => output.includes(said), `it says ${said}`);
    return job;
  }

  async function stop(job: ChildProcess): Promise<void> {
    job.kill('SIGTERM');
    await once(job, 'exit');
  }

  it('say which kernels they are made for', () => {
    for (const [kernel, object] of Object.entries(objects))
      assert.deepEqual(load(object).object(), { oldestKernel: kernel, refusal: undefined });
  });

  it('write the same records', async () => {
    const [first, second, third, fourth] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const older = await run(['serve-all', '127.0.0.1', first], 'listening');
    const connected = await run(['connect', '127.0.0.1', first], 'connected');

    const seen = Object.values(objects).map((object) => ({ ...watch(object), scans: [] as Records[] }));
    const scan = () => {
      for (const { probe, scans } of seen)
        for (const program of ['scan_processes', 'scan_sockets', 'list_sockets'] as const)
          scans.push(new Records(probe.scan(program)));
    };

    scan();
    await run(['exit', 'one']);
    await run(['connections', 2, '127.0.0.1', first]);
    const newer = await run(['serve-all', '::1', second], 'listening');
    await run(['connections', 3, '::1', second]);
    const any = await run(['serve-all', '::', third], 'listening');
    await run(['connections', 1, '127.0.0.1', third]);
    await run(['connections', 1, '127.0.0.1', fourth]); // refused
    await run(['udp-send', 1, '127.0.0.1', fourth]);
    await run(['udp-send', 1, '::1', fourth]);
    await run(['udp-send-to', 1, '127.0.0.1', fourth]);
    await run(['udp-again', '127.0.0.1', fourth, first]).catch(() => undefined);
    const receiver = await run(['udp-receive', '127.0.0.1', second], 'bound');
    const still = await run(['udp-connect', '127.0.0.1', second], 'connected');
    scan();
    for (const job of [connected, newer, any, older, still, receiver]) await stop(job);
    await delay(50);
    for (const { probe } of seen) probe.drain();

    const pids = new Set(jobs.map((job) => job.pid!));
    const [one, other] = seen.map(({ events, scans }) => ({
      events: events.flatMap((records) => comparable(records, pids)),
      scans: scans.map((records) => comparable(records, pids).sort()),
    }));
    const types = new Set(one!.events.map((text) => Number(/^\d+/.exec(text))));
    for (const type of ['exec', 'exit', 'open', 'close', 'listen', 'unlisten', 'datagram'] as const)
      assert.ok(types.has(RecordType[type]), `no record of type ${type}`);
    assert.deepEqual(other, one);
  });

  it('know whose an accepted socket is while any of those is left that listened at its port', async () => {
    const port = await freePort();
    for (const object of Object.values(objects)) {
      const { probe, events } = watch(object);
      const left = await run(['serve-shared', '127.0.0.1', 1, port], 'listening');
      const ended = await run(['serve-shared', '127.0.0.1', 1, port], 'listening');
      await stop(ended);
      await run(['connections', 1, '127.0.0.1', port]);
      probe.drain();
      const servers = events.flatMap((records) => serversAt(records, port));
      assert.equal(servers.length, 1, object);
      assert.ok(servers[0] === left.pid || servers[0] === ended.pid);
    }
  });
});

/** Pids of those who accepted connections at a port. */
function serversAt(records: Records, port: number): number[] {
  const found: number[] = [];
  for (let at = 0; at < records.length; at += records.size(at))
    if (
      records.type(at) === RecordType.open &&
      records.u16[(at + socket_record.local_port) >> 1] === port &&
      records.u8[at + socket_record.role] === SocketRole.server
    )
      found.push(records.pid(at));
  return found;
}

/** Records of processes as text, without what each probe numbers or takes the time of by itself. */
function comparable(records: Records, pids: ReadonlySet<number>): string[] {
  const found: string[] = [];
  for (let at = 0; at < records.length; at += records.size(at)) {
    const pid = records.pid(at);
    if (!pids.has(pid)) continue;
    const type = records.type(at);
    const bytes = Buffer.from(records.u8.subarray(at, at + records.size(at)));
    const clear = (offset: number, length = 8) => bytes.fill(0, offset, offset + length);
    clear(record_header.time);
    if (type === RecordType.exec || type === RecordType.process) clear(process_record.image);
    else if (type !== RecordType.exit) {
      clear(socket_record.cookie);
      if (records.u64(at + socket_record.opened) !== 0)
        bytes.fill(1, socket_record.opened, socket_record.opened + 8);
      const end = socketParts.end(records, at) - at;
      if (bytes.length > end) clear(end + holder.image);
    }
    found.push(`${type} of ${pid}: ${bytes.toString('hex')}`);
  }
  return found;
}

import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { process_record, RecordType, socket_record } from '../../../actors/capture/layout.js';
import {
  processArguments,
  processCgroup,
  processLineage,
  processComm,
  processPath,
} from '../../../actors/capture/process-record.js';
import { ProcfsScanner } from '../../../actors/capture/procfs/scanner.js';
import { addressSize, processParts, socketParts, type Records } from '../../../actors/capture/records.js';
import { iteratorScanner, type Scanner } from '../../../actors/capture/scanner.js';
import { decodeField } from '../../../actors/capture/text.js';
import { ContainerNames } from '../../../actors/containers/cgroup-path.js';
import { loadAddon, type Probe } from '../../../native/index.js';
import { cgroupHierarchies, Container, WIRE, wire } from '../../support/container.js';
import { eventually } from '../../support/eventually.js';
import { plainProbe } from '../../support/probe-options.js';
import { isRoot, requires } from '../../support/requirements.js';
import { resources } from '../../support/resources.js';
import { containerNumber } from '../../support/records.js';
import { workload } from '../../support/workload.js';
import { scanned, scannedWithArguments } from '../../support/scanned.js';

const addonPath = path.resolve(import.meta.dirname, '../../../dist/collector.node');
const TICK_NS = 1e7;

describe('A scan through /proc and one by BPF iterators', function () {
  this.timeout(60_000);
  const keep = resources();
  let probe: Probe;
  let iterators: Scanner;
  let procfs: Scanner;
  const problems: string[] = [];
  let caller: Container;
  let callee: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    const addon = loadAddon(addonPath);
    probe = new addon.Probe({
      ...plainProbe,
      rings: 1,
      ringBytes: 4096,
      cpusPerRing: addon.possibleCpus,
      allScopes: false,
      loopback: true,
      pending: true,
      cgroupV1: true,
      udpListeners: true,
    });
    await keep({ remove: () => probe.close() });
    iterators = iteratorScanner(probe);
    procfs = new ProcfsScanner({
      folder: '/proc',
      allScopes: false,
      loopback: true,
      pending: true,
      udpListeners: true,
      arguments: true,
      names: new ContainerNames(),
      now: () => addon.clock().time,
      onUnreadable: (message) => problems.push(message),
    });
    caller = await keep(Container.create());
    callee = await keep(Container.create());
    wire(caller, callee);
  });

  afterEach(() => assert.deepEqual(problems, []));

  /** Both scans show the same of the containers, once nothing is on its way any more; what they show. */
  async function agreed(of: 'processes' | 'sockets', containers: readonly Container[], enough: number) {
    const show = of === 'processes' ? processLines : socketLines;
    const lines = async (scanner: Scanner) =>
      show(of === 'processes' ? await scannedWithArguments(scanner) : await scanned(scanner, of), containers);
    let last: [string[], string[]] = [[], []];
    await eventually(
      async () => {
        last = [await lines(iterators), await lines(procfs)];
        return last[0].length >= enough && last[0].join('\n') === last[1].join('\n');
      },
      () => `the scans agree, and do not say:\n${last[0].join('\n')}\nand\n${last[1].join('\n')}`,
    );
    return last[0];
  }

  it('show the same processes, with arguments, ids, cgroups and ancestors', async () => {
    await caller.start('as', '1234', '4321', 'hold', 'two words', '', 'caf\xe9 ');
    await caller.start('spawn', workload(), 'spawn', workload(), 'spawn', '/bin/sleep', '1000');
    await caller.start('exec', '/bin/sh', '-c', 'printf "a ) (b\\n\\\\" >/proc/self/comm; sleep 1000; true');
    await caller.start('exec', workload(), 'long-exec', '3', '3000');
    await caller.start('exec', '/bin/sh', '-c', 'sleep 1000; true', 'x'.repeat(5000));
    const lines = await agreed('processes', [caller, callee], 9);
    assert.ok(
      lines.some((line) => line.includes(' 1234 4321 ')),
      lines.join('\n'),
    );
    assert.ok(
      lines.some((line) => line.includes('a ) (b')),
      lines.join('\n'),
    );
  });

  it('show the path to the root of the mounts, of a file that was removed and below another root', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-procfs-'));
    const [copy, root] = [path.join(folder, 'copy'), path.join(folder, 'root')];
    mkdirSync(root);
    // Folder by folder, so that no mount could ever be emptied.
    await keep({ remove: () => [root, folder].forEach((one) => rmdirSync(one)) });
    copyFileSync(workload(), copy);
    chmodSync(copy, 0o755);
    const job = await callee.start('exec', copy, 'hold', 'removed');
    await job.said('pid');
    rmSync(copy);
    // In a mount namespace of its own, so that nothing stays mounted.
    const command = `mount --bind / ${root} && exec chroot ${root} /bin/sleep 1001`;
    await caller.start('exec', '/usr/bin/unshare', '--mount', 'sh', '-c', command);
    const isBelow = (line: string) =>
      line.includes(` "sleep" ${root}/`) && line.includes('/bin/sleep "1001"');
    const lines = await eventually(async () => {
      const found = await agreed('processes', [caller, callee], 1);
      return found.filter(isBelow).length > 0 && found;
    }, 'a process below another root');
    assert.ok(
      lines.some((line) => line.includes(` ${copy} `)),
      lines.join('\n'),
    );
  });

  it('show a process whose first thread has ended, with what another one knows', async () => {
    for (const hierarchy of ['v2', 'pids']) {
      if (!cgroupHierarchies().has(hierarchy)) continue;
      const container = await keep(Container.create({ hierarchy }));
      await container.start('exec', workload(), 'leaderless', 'spawn', workload(), 'hold', 'led');
      const serving = await container.start('exec', workload(), 'leaderless', 'serve', '0.0.0.0', '1');
      await serving.said('listening');
      const lines = await agreed('processes', [container], 4);
      assert.equal(lines.filter((line) => line.includes('"leaderless')).length, 2, lines.join('\n'));
      await agreed('sockets', [container], 1);
    }
  });

  it('show the same connections and listening sockets, IPv4, IPv6 and v4-mapped', async () => {
    for (const [address, target] of [
      ['0.0.0.0', WIRE.v4[1]],
      [WIRE.v4[1], WIRE.v4[1]],
      ['::', WIRE.v6[1]],
      ['::', WIRE.v4[1]],
      [WIRE.v6[1], WIRE.v6[1]],
    ] as const) {
      const serving = await callee.start('serve', address, '1');
      const port = await serving.said('listening');
      await (await caller.start('connect', target, port)).said('connected');
    }
    const half = await callee.start('serve-on', '0.0.0.0');
    const halfPort = await half.said('listening');
    await caller.start('connect-half', WIRE.v4[1], halfPort);
    await half.said('half closed');
    const lines = await agreed('sockets', [caller, callee], 18);
    assert.equal(lines.length, 18, lines.join('\n'));
  });

  it('show the same UDP sockets, with a peer and without, IPv4, IPv6 and v4-mapped', async () => {
    const others = [await keep(Container.create()), await keep(Container.create())] as const;
    wire(...others);
    const [from, to] = others;
    for (const target of [WIRE.v4[1], WIRE.v6[1], `::ffff:${WIRE.v4[1]}`])
      await (await from.start('udp-connect', target, '53')).said('connected');
    for (const [at, port] of [
      ['0.0.0.0', '7301'],
      [WIRE.v6[1], '7302'],
      ['::', '7303'],
    ] as const)
      await (await to.start('udp-receive', at, port)).said('bound');
    const lines = await agreed('sockets', others, 6);
    assert.equal(lines.length, 6, lines.join('\n'));
    assert.equal(lines.filter((line) => line.startsWith('listening 730')).length, 3, lines.join('\n'));
    assert.ok(
      lines.every((line) => line.includes(' protocol 17 ')),
      lines.join('\n'),
    );
  });

  it('show every process that holds a shared socket, and one that was handed over', async () => {
    const forked = await callee.start('serve-forked', '::');
    const forkedPort = await forked.said('listening');
    await (await caller.start('connect', WIRE.v4[1], forkedPort)).said('connected');
    const handed = await callee.start('serve-handed', '0.0.0.0');
    const handedPort = await handed.said('listening');
    await (await caller.start('connect', WIRE.v4[1], handedPort)).said('connected');
    await handed.said('handed over');
    const lines = await agreed('sockets', [caller, callee], 6);
    const holders = lines.filter((line) => line.startsWith(`listening ${forkedPort} `));
    assert.equal(holders.length, 2, lines.join('\n'));
  });

  it('show a connection by Multipath TCP by its first way', async function () {
    requires(this, existsSync('/proc/sys/net/mptcp/enabled'), 'the kernel has no Multipath TCP');
    const serving = await callee.start('serve-multipath', WIRE.v4[1], '1');
    const port = await serving.said('listening');
    await (await caller.start('connect-multipath', WIRE.v4[1], port)).said('connected');
    const lines = await agreed('sockets', [caller, callee], 3);
    assert.equal(lines.filter((line) => line.includes(` ${port} `)).length, 3, lines.join('\n'));
  });

  it('show a connection that nobody has answered yet', async () => {
    await caller.start('connect', '10.111.0.99', '7199');
    const lines = await agreed('sockets', [caller], 1);
    assert.equal(lines.filter((line) => /^state 2 \d+ 7199 /.test(line)).length, 1, lines.join('\n'));
  });

  it('show the loopback of a container too', async () => {
    const serving = await callee.start('serve', '127.0.0.1', '1');
    const port = await serving.said('listening');
    await (await callee.start('connect', '127.0.0.1', port)).said('connected');
    const lines = await agreed('sockets', [callee], 3);
    assert.equal(lines.filter((line) => line.includes(` ${port} `)).length, 3, lines.join('\n'));
  });

  for (const [title, hierarchy, cgroup] of [
    ['of cgroup v1', 'pids', (id: string) => `docker/${id}`],
    ['of a systemd scope', 'v2', (id: string) => `a.slice/cri-containerd-${id}.scope/container`],
    ['of a cgroup below a container', 'v2', (id: string) => `docker/${id}/init/a/b`],
    ['of a cgroup below a container of v1', 'pids', (id: string) => `docker/${id}/init/a/b`],
    ['of systemd in a container', 'v2', (id: string) => `a.slice/crio-${id}.scope/init.scope`],
    ['of a container in a container', 'v2', (id: string) => `docker/${'c'.repeat(64)}/docker/${id}`],
    ['in the shadow of conmon', 'v2', (id: string) => `a.slice/libpod-conmon-${id}.scope`],
  ] as const) {
    it(`attribute processes to the same container: ${title}`, async function () {
      requires(this, cgroupHierarchies().has(hierarchy), `no hierarchy of ${hierarchy}`);
      const container = await keep(Container.create({ hierarchy, cgroup }));
      const isConmon = cgroup('').includes('conmon');
      const lines = await agreed('processes', [container], isConmon ? 0 : 1);
      assert.equal(lines.length, isConmon ? 0 : 1, lines.join('\n'));
    });
  }

  it('give a process the same start, to the tick', async () => {
    const job = await caller.start('hold');
    await job.said('pid');
    const starts = async (scanner: Scanner) => {
      const times = new Map<number, number>();
      each(await scanned(scanner, 'processes'), RecordType.process, (records, at) =>
        times.set(records.pid(at), records.u64(at + process_record.start_time)),
      );
      return times;
    };
    const exact = await starts(iterators);
    const rounded = await starts(procfs);
    assert.ok(exact.has(caller.pid));
    for (const container of [caller, callee]) {
      const time = exact.get(container.pid)!;
      assert.equal(rounded.get(container.pid), Math.floor(time / TICK_NS) * TICK_NS);
    }
  });
});

function each(records: Records, type: number, visit: (records: Records, at: number) => void): void {
  for (let at = 0; at < records.length; at += records.size(at)) {
    assert.equal(records.type(at), type);
    visit(records, at);
  }
}

function numbersOf(containers: readonly Container[]): Set<number> {
  return new Set(containers.map(({ shortId }) => containerNumber(shortId)));
}

/** All that a scan says of the processes of containers but for their exact start, each as a line. */
function processLines(found: Records, containers: readonly Container[]): string[] {
  const numbers = numbersOf(containers);
  const lines: string[] = [];
  each(found, RecordType.process, (records, at) => {
    if (!numbers.has(records.container(at))) return;
    const { u32, u16 } = records;
    const { scanner_pid, tid: thread, ppid: parent, uid: user, gid: group } = process_record;
    const [scannerPid, tid, ppid, uid, gid] = [scanner_pid, thread, parent, user, group].map(
      (field) => u32[(at + field) >> 2],
    );
    const rawArgs = records.u8.subarray(processParts.args(records, at), processParts.cgroup(records, at));
    lines.push(
      [
        `${records.pid(at)} ${scannerPid} ${tid} ${ppid} ${uid} ${gid} flags ${records.flags(at)}`,
        JSON.stringify(processComm(records, at)),
        processPath(records, at),
        JSON.stringify(processArguments(records, at)),
        rawArgs.toString('hex'),
        processCgroup(records, at),
        JSON.stringify(processLineage(records, at)),
        `${u16[(at + process_record.lineage_count) >> 1]}`,
        records.size(at),
      ].join(' '),
    );
  });
  return lines.sort();
}

/** All that both scans can say of the sockets of containers, each as a line. */
function socketLines(found: Records, containers: readonly Container[]): string[] {
  const numbers = numbersOf(containers);
  const lines = new Set<string>();
  each(found, RecordType.socket, (records, at) => {
    if (!numbers.has(records.container(at))) return;
    const { u8, u16 } = records;
    const state = u8[at + socket_record.state];
    const address = (start: number) => u8.toString('hex', start, start + addressSize(records, at));
    const port = (field: number) => u16[(at + field) >> 1];
    lines.add(
      [
        state === 10 ? 'listening' : `state ${state}`,
        port(socket_record.local_port),
        port(socket_record.remote_port),
        address(socketParts.local(at)),
        address(socketParts.remote(records, at)),
        `family ${u8[at + socket_record.family]} protocol ${u8[at + socket_record.protocol]}`,
        `pid ${records.pid(at)} container ${records.container(at)}`,
        decodeField(u8, at + socket_record.comm, 16),
      ].join(' '),
    );
  });
  return [...lines].sort();
}

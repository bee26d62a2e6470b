import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exit_record, RecordFlag, RecordType } from '../../actors/capture/layout.js';
import { processArguments, processComm, processPath } from '../../actors/capture/process-record.js';
import { Records } from '../../actors/capture/records.js';
import { decodeField } from '../../actors/capture/text.js';
import { containerInPath } from '../../actors/containers/cgroup-path.js';
import { containerId } from '../../actors/containers/id.js';
import {
  isProbeError,
  loadAddon,
  SCAN_READ_BYTES,
  type Addon,
  type Probe,
  type ProbeOptions,
} from '../../native/index.js';
import { cgroupCases, cgroupLines } from '../support/cgroup-corpus.js';
import { cgroupHierarchies } from '../support/container.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';

const addonPath = path.resolve(import.meta.dirname, '../../dist/collector.node');
const bpf = path.resolve(import.meta.dirname, '../../native/bpf');
/** More than a node runs at a time. */
const LATER_CONTAINERS = 4200;

describe('the probe in the kernel', function () {
  this.timeout(60_000);
  let addon: Addon;
  const open: { close(): void }[] = [];

  before(function () {
    requires(this, isRoot, 'loading BPF programs needs root');
    addon = loadAddon(addonPath);
  });
  afterEach(() => {
    for (const one of open.splice(0).reverse()) one.close();
  });

  function load(options: Partial<ProbeOptions> = {}): Probe {
    const probe = probeOf(addon, options);
    open.push(probe);
    return probe;
  }

  /** Starts delivery; the batches are kept, as copies. */
  function collect(probe: Probe, bytes = 64 * 1024): Records[] {
    const batches: Records[] = [];
    const buffer = new Uint8Array(bytes);
    probe.start(
      buffer,
      (length) => batches.push(new Records(buffer.slice(0, length))),
      (error) => assert.fail(error),
    );
    return batches;
  }

  function each(batches: readonly Records[], visit: (records: Records, at: number) => void): void {
    for (const records of batches) {
      for (let at = 0; at < records.length; at += records.size(at)) visit(records, at);
    }
  }

  function namesOf(batches: readonly Records[], type: number): string[] {
    const names: string[] = [];
    each(batches, (records, at) => {
      if (records.type(at) === type) names.push(processComm(records, at));
    });
    return names;
  }

  it('hands over what was written before the call when it is drained', () => {
    const probe = load();
    probe.attach();
    const batches = collect(probe);
    spawnSync('true');
    probe.drain();
    assert.ok(namesOf(batches, RecordType.exec).includes('true'));
  });

  it('delivers by itself when it was idle, and again after it fell asleep', async () => {
    const probe = load();
    probe.attach();
    const batches = collect(probe);
    for (let round = 0; round < 3; round++) {
      await delay(150);
      batches.length = 0;
      spawnSync('true');
      for (let waited = 0; waited < 50 && !namesOf(batches, RecordType.exec).includes('true'); waited++)
        await delay(10);
      assert.ok(namesOf(batches, RecordType.exec).includes('true'), `round ${round}`);
    }
  });

  it('keeps what happens in the rings while it is held, and delivers it afterwards', async () => {
    const probe = load();
    probe.attach();
    const batches = collect(probe);
    probe.drain();
    batches.length = 0;
    probe.hold(true);
    spawnSync('true');
    await delay(700);
    assert.deepEqual(batches, []);
    probe.hold(false);
    for (let waited = 0; waited < 150 && !namesOf(batches, RecordType.exec).includes('true'); waited++)
      await delay(10);
    assert.ok(namesOf(batches, RecordType.exec).includes('true'));
  });

  it('gives what a scan finds in parts, too, and one that was given up is no hindrance', () => {
    const probe = load();
    const part = new Uint8Array(SCAN_READ_BYTES + 4096);
    probe.beginScan('scan_processes');
    assert.ok(probe.readScan('scan_processes', part, 4096) > 0);
    probe.beginScan('scan_processes');
    const parts: Records[] = [];
    for (let length; (length = probe.readScan('scan_processes', part, 0)) > 0;) {
      parts.push(new Records(part.slice(0, length)));
      // Of another program's scan, which goes on beside it.
      probe.beginScan('scan_sockets');
      probe.readScan('scan_sockets', part, 0);
    }
    assert.equal(probe.readScan('scan_processes', part, 0), 0);
    assert.throws(() => probe.readScan('scan_processes', part, part.length + 1), RangeError);
    const whole = [new Records(probe.scan('scan_processes'))];
    const names = (some: readonly Records[]) => new Set(namesOf(some, RecordType.process));
    assert.ok(names(parts).size > 3);
    // Others come and go meanwhile, but not whoever was there before this test and still is.
    assert.ok([...names(parts)].filter((name) => names(whole).has(name)).length > names(parts).size / 2);
  });

  it('delivers what follows from something else after it, over batches far smaller than what there is', () => {
    const probe = load();
    probe.attach();
    const batches = collect(probe, 24_576);
    spawnSync('sh', ['-c', 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done']);
    probe.drain();
    assert.ok(batches.length > 2);
    // Each process ends on whatever CPU it then runs on, so that the two records may lie in different rings.
    const running = new Set<number>();
    let ended = 0;
    each(batches, (records, at) => {
      const pid = records.pid(at);
      if (records.type(at) === RecordType.exec && processComm(records, at) === 'true') running.add(pid);
      if (records.type(at) !== RecordType.exit || exitName(records, at) !== 'true') return;
      assert.ok(running.delete(pid), 'a process ended before it began');
      ended++;
    });
    assert.ok(ended >= 300);
  });

  it('counts what finds the ring full, by program, and everything it was handed', () => {
    const probe = load({ ringBytes: 4096, rings: 1, cpusPerRing: addon.possibleCpus });
    probe.attach();
    spawnSync('sh', ['-c', 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done']);
    const batches = collect(probe);
    probe.drain();
    const [exec, exit] = probe.stats();
    assert.equal(exec?.program, 'process_exec');
    // By either cause: a ring without room, or the share of whoever has filled it.
    const missing = (row: typeof exec) => row.lost + row.overShare;
    assert.ok(missing(exec) > 50, `${exec.events} written, ${missing(exec)} missing`);
    assert.ok(exec.events + missing(exec) >= 101);
    assert.ok(exit !== undefined && exit.events + missing(exit) >= 101);
    let delivered = 0;
    each(batches, () => delivered++);
    assert.ok(delivered <= probe.stats().reduce((sum, { events }) => sum + events, 0));
    assert.ok(delivered > 0);
  });

  it('leaves out its own process, and the host if only containers are wanted', () => {
    const probe = load({ allScopes: false });
    probe.attach();
    const batches = collect(probe);
    spawnSync('true');
    probe.drain();
    // Real containers may be there as well.
    each([...batches, new Records(probe.scan('scan_processes'))], (records, at) => {
      assert.notEqual(records.container(at), 0);
      assert.notEqual(records.pid(at), process.pid);
    });
  });

  it('finds what runs, with its arguments, and not itself', () => {
    const child = spawn('sleep', ['1000']);
    open.push({ close: () => child.kill() });
    const found = new Records(load().scan('scan_processes'));
    const pids = new Set<number>();
    each([found], (records, at) => {
      pids.add(records.pid(at));
      if (records.pid(at) === child.pid) assert.equal(processComm(records, at), 'sleep');
    });
    assert.ok(pids.has(child.pid!));
    assert.ok(!pids.has(process.pid));
  });

  it('lists processes without reading their memory, and marks those that have arguments', () => {
    const child = spawn('sleep', ['1000']);
    open.push({ close: () => child.kill() });
    const found = (probe: Probe) => {
      const records = new Records(probe.scan('scan_processes'));
      let line = '';
      each([records], (_, at) => {
        if (records.pid(at) !== child.pid) return;
        const isLost = (records.flags(at) & RecordFlag.argsLost) !== 0;
        line = `${processPath(records, at)} ${processArguments(records, at)} ${isLost}`;
      });
      return line;
    };
    assert.match(found(load()), /\/sleep {2}true$/);
    assert.match(found(load({ arguments: false })), /\/sleep {2}false$/);
  });

  it('counts run times only when asked to', () => {
    const plain = load();
    plain.attach();
    spawnSync('true');
    assert.equal(plain.stats()[0]?.runs, 0);
    const measured = load({ runTime: true });
    measured.attach();
    spawnSync('true');
    const [exec] = measured.stats();
    assert.ok(exec !== undefined && exec.runs >= 1 && exec.runNs > 0);
  });

  it('is gone from the kernel when it is closed, and says so to whoever still asks', () => {
    const probe = load();
    probe.attach();
    const programs = () => bpfDescriptors();
    assert.ok(programs() > 0);
    probe.close();
    assert.equal(programs(), 0);
    assert.throws(() => probe.stats(), /closed/);
    assert.throws(() => probe.drain(), /closed/);
    probe.close();
  });

  it('says which object it could not open', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-object-'));
    open.push({ close: () => rmSync(folder, { recursive: true }) });
    const garbage = path.join(folder, 'garbage.o');
    writeFileSync(garbage, 'not an object');
    for (const object of [garbage, path.join(folder, 'missing.o'), process.execPath]) {
      assert.throws(
        () => load({ object }),
        (error) =>
          isProbeError(error) &&
          error.operation === 'open' &&
          error.subject === object &&
          /^[A-Z_]+$/.test(error.errno),
      );
    }
    assert.equal(bpfDescriptors(), 0, 'nothing is left half loaded');
  });

  const foreign = [
    ['does not say which layout its records have', '', /^it is not one of Collector's/],
    [
      'has records of another layout',
      version('LAYOUT_VERSION + 1'),
      /^it was built for another version of Collector: .* layout \d+, .* layout \d+$/,
    ],
    ['lacks a program', version('LAYOUT_VERSION'), /^it has no program process_exec$/],
  ] as const;
  for (const [what, source, reason] of foreign) {
    it(`loads no object that ${what}`, () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'collector-object-'));
      open.push({ close: () => rmSync(folder, { recursive: true }) });
      const object = path.join(folder, 'foreign.o');
      writeFileSync(path.join(folder, 'foreign.c'), `${source}char LICENSE[] SEC("license") = "GPL";\n`);
      compile(path.join(folder, 'foreign.c'), object);
      assert.throws(
        () => load({ object }),
        (error) =>
          isProbeError(error) &&
          error.operation === 'open' &&
          error.subject === object &&
          error.errno === 'ENOEXEC' &&
          reason.test(error.log),
      );
      assert.equal(bpfDescriptors(), 0);
    });
  }

  it('loads without scans where the kernel refuses a scan, and says by what when it is asked for one', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-object-'));
    open.push({ close: () => rmSync(folder, { recursive: true }) });
    const source = readFileSync(path.join(bpf, 'collector.bpf.c'), 'utf8');
    writeFileSync(
      path.join(folder, 'bad.bpf.c'),
      source.replace('#include "socket-scan.h"', '#include "bad.h"'),
    );
    const socket = readFileSync(path.join(bpf, 'socket-scan.h'), 'utf8');
    const statement = '    struct file *file = ctx->file;\n';
    assert.ok(socket.includes(statement));
    writeFileSync(
      path.join(folder, 'bad.h'),
      socket.replace(
        statement,
        `${statement}    if (ctx->fd == 99) return *(volatile int *)(long)ctx->fd;\n`,
      ),
    );
    const object = path.join(folder, 'bad.o');
    compile(path.join(folder, 'bad.bpf.c'), object);
    const probe = load({ object });
    probe.attach();
    const batches = collect(probe);
    spawnSync('true');
    probe.drain();
    assert.ok(namesOf(batches, RecordType.exec).includes('true'));
    for (const program of ['scan_sockets', 'scan_processes'] as const) {
      assert.throws(
        () => probe.scan(program),
        (error) =>
          isProbeError(error) &&
          error.operation === 'scan' &&
          error.subject === program &&
          error.errno === 'EACCES',
      );
    }
  });

  it('says which program was refused, the errno by name, and what the verifier said last', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-object-'));
    open.push({ close: () => rmSync(folder, { recursive: true }) });
    const source = readFileSync(path.join(bpf, 'collector.bpf.c'), 'utf8');
    // A program of the same name that reads where it may not.
    writeFileSync(
      path.join(folder, 'bad.bpf.c'),
      source.replace('#include "tcp-states.h"', '#include "bad.h"'),
    );
    const socket = readFileSync(path.join(bpf, 'tcp-states.h'), 'utf8');
    writeFileSync(
      path.join(folder, 'bad.h'),
      socket.replace(
        '    if (new_state == TCP_SYN_SENT)\n',
        '    if (old_state == 99) return *(volatile int *)(long)new_state;\n    if (new_state == TCP_SYN_SENT)\n',
      ),
    );
    const object = path.join(folder, 'bad.o');
    compile(path.join(folder, 'bad.bpf.c'), object);
    assert.throws(
      () => load({ object }),
      (error) =>
        isProbeError(error) &&
        error.operation === 'load' &&
        error.subject === 'socket_state' &&
        error.errno === 'EACCES' &&
        error.log.includes('invalid mem access'),
    );
    assert.equal(bpfDescriptors(), 0);
  });
});

describe('the container that the kernel side names', function () {
  this.timeout(60_000);
  const ID = '4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e';
  const paths = [
    'plain',
    `docker/${ID}`,
    `docker/${ID}/nested`,
    `docker/${ID}/init.scope`,
    `docker/${ID.toUpperCase()}`,
    `docker/${ID.slice(1)}`,
    `docker/${ID}0`,
    `docker/${ID.slice(0, 63)}g`,
    `x${ID}`,
    `a.slice/cri-containerd-${ID}.scope`,
    `a.slice/crio-${ID}.scope/container`,
    `a.slice/crio-${ID}.scope/a/b/c`,
    `machine.slice/libpod-conmon-${ID}.scope`,
    `a-conmon/${ID}`,
    `b.scope/${ID}`,
    `b.scope/x-${ID}.scope`,
    `x-${ID}.scope/y-${'b'.repeat(64)}.scopes/z`,
    `system.slice:cri-containerd:${ID}`,
    `docker/${'b'.repeat(64)}/kubelet/kubepods/pod1/${'e'.repeat(64)}`,
    `docker/${ID}${'/deep'.repeat(100)}`,
    `docker/${ID}/init.scope/${'f'.repeat(64)}`,
    `docker/${ID}/x-conmon/${'f'.repeat(64)}/y`,
    `${'long-'.repeat(38)}${ID}`,
    `conmon-${ID}`,
  ];
  /** A cpuset has to be told first what it has. */
  const hierarchies = new Map([...cgroupHierarchies()].filter(([name]) => name !== 'cpuset'));
  const top = `collector-test-${process.pid}`;
  let sleeper: ChildProcess | undefined;
  let probe: Probe | undefined;

  before(function () {
    requires(this, isRoot, 'cgroups and BPF programs need root');
    const addon = loadAddon(addonPath);
    probe = probeOf(addon, { rings: 1, ringBytes: 4096, cpusPerRing: addon.possibleCpus });
    sleeper = spawn('sleep', ['1000']);
  });
  after(async () => {
    probe?.close();
    if (sleeper !== undefined) {
      sleeper.kill();
      await once(sleeper, 'exit');
    }
    for (const folder of hierarchies.values()) removeTree(path.join(folder, top));
  });

  /** Moves the process; the cgroup is made. */
  function move(hierarchy: string, cgroup: string): void {
    const folder = path.join(hierarchies.get(hierarchy)!, cgroup);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'cgroup.procs'), String(sleeper!.pid));
  }

  /** The id of the process's container as a scan tells it, empty for none. */
  function told(): string | undefined {
    const found = new Records(probe!.scan('scan_processes'));
    for (let at = 0; at < found.length; at += found.size(at)) {
      if (found.pid(at) === sleeper!.pid) return containerId(found.container(at));
    }
    return undefined;
  }

  // One controller stands for all, if v1 has it in a hierarchy of its own.
  for (const hierarchy of ['v2', 'pids']) {
    const version = hierarchy === 'v2' ? 'v2' : 'v1';
    it(`is the one that the rule says, for every path in cgroup ${version}`, function () {
      requires(this, hierarchies.has(hierarchy), `no cgroup ${version} here`);
      for (const name of paths) {
        move(hierarchy, path.join(top, name));
        assert.equal(told(), containerInPath(`/${top}/${name}`) ?? '', name);
      }
      move(hierarchy, '.');
    });
  }

  it('is the one above, if another cgroup bears the name of a cgroup below it', () => {
    const [outer, other] = ['7', '8'].map((digit) => digit.repeat(64)) as [string, string];
    const claimed = (id: string) => path.join(top, `docker/${outer}/docker/${id}/below`);
    const real = path.join(hierarchies.get('v2')!, top, 'docker', other);
    // The first one is right, until one that is below no container turns up.
    move('v2', claimed(other));
    assert.equal(told(), other.slice(0, 12));
    move('v2', path.join(top, 'docker', other));
    assert.equal(told(), other.slice(0, 12));
    move('v2', claimed(other));
    assert.equal(told(), outer.slice(0, 12));
    move('v2', path.join(top, `docker/${'9'.repeat(64)}/${other}`));
    assert.equal(told(), '9'.repeat(12));
    // One that was removed is in nobody's way.
    rmdirSync(real);
    move('v2', path.join(top, `docker/${'9'.repeat(64)}/a/${other}`));
    assert.equal(told(), other.slice(0, 12));
    move('v2', '.');
  });

  it('is that of cgroup v2, whatever names it makes up in a hierarchy of v1 where nobody put it into one', function () {
    requires(this, hierarchies.has('pids'), 'no cgroup v1 here');
    const [own, other] = ['3', '4'].map((digit) => digit.repeat(64)) as [string, string];
    move('v2', path.join(top, 'docker', own, 'below'));
    move('pids', path.join(top, other));
    assert.equal(told(), own.slice(0, 12));
    move('v2', '.');
    assert.equal(told(), other.slice(0, 12));
    move('pids', '.');
  });

  it('is the one above, if a cgroup of another hierarchy bears the name of a cgroup below it', function () {
    requires(this, hierarchies.has('pids'), 'no cgroup v1 here');
    const [own, other] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string];
    move('pids', path.join(top, other));
    assert.equal(told(), other.slice(0, 12));
    move('v2', path.join(top, 'docker', own, other));
    assert.equal(told(), own.slice(0, 12));
    move('v2', '.');
    move('pids', '.');
  });

  it('is no forged one however many containers came after the one that bears its name', function () {
    this.timeout(60_000);
    const [outer, running] = ['5', '6'].map((digit) => digit.repeat(64)) as [string, string];
    // What ends is forgotten by a program that waits for it.
    probe!.attach();
    move('v2', path.join(top, 'docker', running));
    assert.equal(told(), running.slice(0, 12));
    for (let later = 0; later < LATER_CONTAINERS; later++)
      move('v2', path.join(top, 'docker', later.toString(16).padStart(64, '0')));
    move('v2', path.join(top, `docker/${outer}/${running}`));
    assert.equal(told(), outer.slice(0, 12));
    move('v2', '.');
    removeTree(path.join(hierarchies.get('v2')!, top, 'docker'));
    move('v2', path.join(top, `docker/${outer}/${running}`));
    assert.equal(told(), running.slice(0, 12));
    move('v2', '.');
  });

  for (const { title, expected, text } of cgroupCases) {
    it(`is ${expected ?? 'none'} for ${title}`, function () {
      const places = cgroupLines(text).flatMap((line) => {
        const names = line.controllers.length === 0 ? ['v2'] : line.controllers;
        return names.filter((name) => hierarchies.has(name)).map((name) => [name, line.path] as const);
      });
      requires(this, places.length > 0, 'no hierarchy that it is in is mounted here');
      try {
        for (const [hierarchy, cgroup] of places) move(hierarchy, path.join(top, cgroup));
        assert.equal(told(), expected ?? '');
      } finally {
        for (const [hierarchy] of places) move(hierarchy, '.');
      }
    });
  }
});

/** Loads the programs, to see everything unless told otherwise. */
function probeOf(addon: Addon, options: Partial<ProbeOptions>): Probe {
  return new addon.Probe({
    ...plainProbe,
    rings: addon.possibleCpus,
    ringBytes: 1024 * 1024,
    cpusPerRing: 1,
    allScopes: true,
    loopback: true,
    cgroupV1: true,
    ...options,
  });
}

/** The source of an object that says that its records have a layout. */
function version(layout: string): string {
  return `const volatile unsigned layout_version SEC(".rodata.layout") = ${layout};\n`;
}

/** Compiles a BPF object, with what is in native/bpf at hand. */
function compile(source: string, object: string): void {
  const headers = ['kernel.h', 'layout.h'].flatMap((file) => ['-include', path.join(bpf, file)]);
  const options = [
    '-target',
    'bpf',
    '-mcpu=v3',
    '-O2',
    '-g',
    '-I',
    bpf,
    ...headers,
    `-DKERNEL_HEADER="since-5.12.h"`,
  ];
  const { status, stderr } = spawnSync('clang', [
    ...options,
    '-include',
    'bpf/bpf_helpers.h',
    '-c',
    source,
    '-o',
    object,
  ]);
  assert.equal(status, 0, String(stderr));
}

function exitName(records: Records, at: number): string {
  return decodeField(records.u8, at + exit_record.comm, 16);
}

/** BPF objects that this process holds. */
function bpfDescriptors(): number {
  const output = spawnSync('sh', ['-c', `ls -l /proc/${process.pid}/fd | grep -c bpf`], {
    encoding: 'utf8',
  }).stdout;
  return Number(output.trim());
}

/** Cgroups are removed from below; what stands in them goes with them. */
function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  const { stdout } = spawnSync('find', [folder, '-depth', '-type', 'd'], { encoding: 'utf8' });
  for (const one of stdout.split('\n').filter(Boolean)) rmdirSync(one);
}

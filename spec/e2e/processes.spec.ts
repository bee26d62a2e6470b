import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector, runToEnd } from '../support/collector.js';
import { Container, v1Controller } from '../support/container.js';
import type { ProcessSignal } from '../support/messages.js';
import { eventually } from '../support/eventually.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { onHost, scratchFolder, workload } from '../support/workload.js';

/** Most bytes that are kept of arguments, and of a path. */
const PAGE = 4096;

describe('The daemon, on processes in a container', () => {
  const keep = resources();
  let container: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
    collector = await keep(Collector.start([]));
  });

  const signal = (args: string) => collector.signal(container.shortId, args);

  it('reports an exec with its name, path and arguments, argv[0] left out', async () => {
    await container.run('exec', workload(), 'exit', 'two words', '', 'last');
    const { name, execFilePath, args, scraped } = await signal('exit two words  last');
    assert.equal(name, 'workload');
    assert.equal(execFilePath, workload());
    assert.equal(args, 'exit two words  last');
    assert.equal(scraped, undefined);
  });

  it('reports the pid that the process has on the host, and the time of the exec', async () => {
    const before = Date.now();
    const job = await container.start('exec', workload(), 'hold', 'pid');
    const ownPid = await job.said('pid');
    const after = Date.now();
    const { pid, time } = await signal('hold pid');
    assert.equal(pidInContainer(pid), ownPid);
    assert.ok(
      before - 1 <= Date.parse(time) && Date.parse(time) <= after + 1,
      `${time} is the time of the exec`,
    );
  });

  it('reports the real user and group, of the process and of its ancestors', async () => {
    await container.run('as', '1234', '5678', 'spawn', workload(), 'exit', 'user');
    const { uid, gid, lineageInfo } = await signal('exit user');
    assert.equal(uid, 1234);
    assert.equal(gid, 5678);
    assert.equal(lineageInfo![0]!.parentUid, 1234);
  });

  it('cuts a name to the 15 bytes that the kernel keeps of it', async () => {
    await container.run('exec', program('a-name-of-more-than-15-bytes'), 'exit', 'name');
    assert.equal((await signal('exit name')).name, 'a-name-of-more-');
  });

  it('reports the ancestors up to the container boundary, the nearest first, equal neighbours as one', async () => {
    const [outer, inner] = [program('outer'), program('inner')];
    await container.run('exec', outer, 'spawn', outer, 'spawn', inner, 'exit', 'leaf');
    assert.deepEqual(lineage(await signal('exit leaf')), [outer, workload()]);
  });

  it('reports the nearest ten ancestors of a process that has more', async () => {
    const chain = Array.from({ length: 12 }, (_, i) => program(`generation-${i}`));
    const spawns = chain.slice(1).flatMap((name) => ['spawn', name]);
    await container.run('exec', chain[0]!, ...spawns, 'exit', 'youngest');
    assert.deepEqual(lineage(await signal('exit youngest')), chain.slice(1, 11).reverse());
  });

  it('reports the whole process when one of its threads execs', async () => {
    const job = await container.start(
      'exec',
      program('threaded'),
      'thread-exec',
      workload(),
      'hold',
      'thread',
    );
    const ownPid = await job.said('pid');
    const { pid } = await signal('hold thread');
    assert.equal(pidInContainer(pid), ownPid);
    assert.equal(ownPid, String(job.id));
  });

  it('cuts 100 KB of arguments to one page behind argv[0]', async () => {
    await container.run('long-exec', '100', '1024');
    const { args, execFilePath } = await eventually(
      () => collector.signals(container.shortId).find((found) => found.args?.startsWith('exit xxx')),
      'the exec is reported',
    );
    const whole = ['exit', ...Array.from({ length: 100 }, () => 'x'.repeat(1024))].join(' ');
    assert.equal(args, whole.slice(0, PAGE));
    assert.equal(execFilePath, workload());
  });

  it('replaces each byte that is no UTF-8 by a question mark', async () => {
    await container.run('invalid-exec');
    await signal('exit café bad??! cut??');
  });

  it('reports an exec from a folder deeper than paths can be, with the end of its path', async () => {
    const [name, depth] = ['d'.repeat(199), 25];
    const folder = path.join(scratchFolder(), 'deep-root');
    mkdirSync(folder);
    await container.run('deep-exec', folder, name, String(depth));
    const { execFilePath } = await signal('exit deep');
    const whole = path.join(folder, ...Array.from({ length: depth }, () => name), 'deep');
    assert.ok(whole.length > PAGE);
    assert.ok(whole.endsWith(execFilePath), `${execFilePath} is the end of the path`);
    // Whole folders, as many as there is room for.
    assert.ok(execFilePath.length > PAGE - name.length - 2 && execFilePath.length <= PAGE);
  });

  it('leaves out a host helper that passes through as /proc/self/exe, and no process of the container', async () => {
    await onHost('helper', container.procs);
    await container.run('exec', '/proc/self/exe', 'exit', 'no helper');
    assert.equal((await signal('exit no helper')).execFilePath, workload());
    assert.ok(!collector.stdout.includes('exit helper'));
  });

  it('gives every signal an id of its own', () => {
    const ids = collector.signals(container.shortId).map(({ id }) => id);
    assert.ok(ids.length > 10);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/);
  });
});

describe('The daemon, on processes that ran before it', () => {
  const keep = resources();
  let container: Container;
  let collector: Collector;
  const started = { from: 0, to: 0 };

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
    started.from = Date.now();
    const job = await container.start('exec', program('early'), 'spawn', workload(), 'hold', 'early');
    await job.said('pid');
    started.to = Date.now();
    collector = await keep(Collector.start([], { env: { ROX_COLLECTOR_SCRAPE_INTERVAL: '1' } }));
  });

  it('reports each once, as found and not as an exec, also after further scans', async () => {
    await sleep(2200);
    const all = collector.signals(container.shortId);
    assert.deepEqual(all.map(({ args }) => args?.replace(/ .*/, '')).sort(), ['container', 'hold', 'spawn']);
    for (const { scraped } of all) assert.equal(scraped, true);
  });

  it('reports them with pid, ancestors and the time they started', () => {
    const signal = collector.signals(container.shortId).find(({ args }) => args === 'hold early')!;
    const time = Date.parse(signal.time);
    assert.equal(signal.execFilePath, workload());
    assert.deepEqual(lineage(signal), [program('early'), workload()]);
    assert.notEqual(pidInContainer(signal.pid), '');
    // A start is older than what follows from it, and kept in nanoseconds.
    assert.ok(started.from - 1 <= time && time <= started.to + 1, `${signal.time} is when it started`);
  });
});

describe('The daemon, on processes in a container with the pids of the host', () => {
  const keep = resources();
  let container: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create({ hostPids: true }));
    const job = await container.start('exec', program('early-too'), 'spawn', workload(), 'hold', 'early too');
    await job.said('pid');
    collector = await keep(Collector.start([]));
  });

  const signal = (args: string) => collector.signal(container.shortId, args);

  it('reports them with the pids that they have there', async () => {
    const job = await container.start('exec', workload(), 'hold', 'same pid');
    await job.said('pid');
    assert.equal((await signal('hold same pid')).pid, job.id);
  });

  it('reports ancestors up to the container boundary, though there is no boundary of pids', async () => {
    await container.run('exec', program('inside'), 'spawn', workload(), 'exit', 'shared');
    assert.deepEqual(lineage(await signal('exit shared')), [program('inside'), workload()]);
  });

  it('does so in a container that only a controller of cgroup v1 knows', async function () {
    requires(this, v1Controller !== undefined, 'no cgroup v1 controller is mounted');
    const other = await keep(Container.create({ hostPids: true, hierarchy: v1Controller! }));
    await other.run('exec', program('inside'), 'spawn', workload(), 'exit', 'in v1');
    assert.deepEqual(lineage(await collector.signal(other.shortId, 'exit in v1')), [
      program('inside'),
      workload(),
    ]);
    await onHost('enter', other.procs, workload(), 'exit', 'entered v1');
    assert.deepEqual(lineage(await collector.signal(other.shortId, 'exit entered v1')), []);
  });

  it('reports those that ran before with the ancestors that they have in the container', async () => {
    const found = await signal('hold early too');
    assert.equal(found.scraped, true);
    assert.deepEqual(lineage(found), [program('early-too'), workload()]);
  });

  it('reports one that entered from the host, without the ancestors that it has there', async () => {
    await onHost('enter', container.procs, workload(), 'exit', 'entered');
    assert.deepEqual(lineage(await signal('exit entered')), []);
  });

  it('leaves out a host helper that passes through', async () => {
    await onHost('helper', container.procs);
    await container.run('exec', workload(), 'exit', 'after the helper');
    await signal('exit after the helper');
    assert.ok(!collector.stdout.includes('exit helper'));
  });
});

describe('The daemon, on a program that starts over and over', () => {
  const keep = resources();
  const TIMES = 15;

  before(function () {
    requires(this, isRoot, 'no root');
  });

  it('reports it ten times, and others all the same; a replay does too', async () => {
    const container = await keep(Container.create());
    const file = path.join(scratchFolder(), 'throttled.collector');
    const collector = await keep(Collector.start([`--record=${file}`]));
    for (let i = 0; i < TIMES; i++) await container.run('exec', workload(), 'exit', 'again');
    await container.run('exec', workload(), 'exit', 'other');
    await collector.signal(container.shortId, 'exit other');
    const again = collector.signals(container.shortId).filter(({ args }) => args === 'exit again');
    assert.equal(again.length, 10);
    await collector.stop();
    assert.equal((await runToEnd([`--replay=${file}`])).stdout, collector.stdout);
  });

  it('shows every start to a person who watches', async () => {
    const container = await keep(Container.create());
    const collector = await keep(Collector.start(['--format=compact']));
    for (let i = 0; i < TIMES; i++) await container.run('exec', workload(), 'exit', 'again');
    const shown = () => collector.lines.filter((line) => line.includes(' exec ') && line.includes('again'));
    await collector.shows(
      () => `${TIMES} starts, not ${shown().length}`,
      () => shown().length === TIMES,
    );
  });
});

describe('The daemon that is told to keep arguments to itself', () => {
  const keep = resources();

  it('reports processes without any, those that ran before and those that start', async function () {
    requires(this, isRoot, 'no root');
    const container = await keep(Container.create());
    const early = await container.start('exec', program('early-secret'), 'hold', 'secret');
    await early.said('pid');
    const sensor = await keep(TestSensor.start());
    const env = { ROX_COLLECTOR_NO_PROCESS_ARGUMENTS: 'true' };
    const collector = await keep(Collector.start([], { sensor, env }));
    await container.run('exec', program('late-secret'), 'exit', 'secret');
    const signals = () => collector.signals(container.shortId);
    const found = await collector.shows(
      () => `a process from before and a new one, among ${JSON.stringify(signals())}`,
      () => {
        const both = ['early-secret', 'late-secret'].map((name) =>
          signals().find((one) => one.name === name),
        );
        return both.every((one) => one !== undefined) && both;
      },
    );
    assert.deepEqual(
      found.map(({ execFilePath }) => execFilePath),
      [program('early-secret'), program('late-secret')],
    );
    for (const { args } of signals()) assert.equal(args ?? '', '');
  });
});

describe('The daemon, on processes outside of containers', () => {
  const keep = resources();
  const mark = randomUUID();
  let container: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
  });

  /** Runs one process on the host and then one in the container; the host's signals once the container's is there. */
  async function hostSignals(...args: readonly string[]): Promise<ProcessSignal[]> {
    const collector = await keep(Collector.start(args));
    await onHost('exit', mark);
    await container.run('exec', workload(), 'exit', mark);
    await collector.signal(container.shortId, `exit ${mark}`);
    const found = collector.signals('').filter((signal) => signal.args === `exit ${mark}`);
    await collector.stop();
    return found;
  }

  it('reports none with --scope=containers', async () => {
    assert.deepEqual(await hostSignals('--scope=containers'), []);
  });

  it('has containers as its scope unless told otherwise', async () => {
    assert.deepEqual(await hostSignals(), []);
  });

  it('reports them with --scope=all, without a container id', async () => {
    const [signal, ...others] = await hostSignals('--scope=all');
    assert.deepEqual(others, []);
    assert.equal(signal!.execFilePath, workload());
    assert.equal(signal!.containerId, undefined);
  });
});

/** The workload under another name. */
function program(name: string): string {
  const file = path.join(scratchFolder(), name);
  try {
    linkSync(workload(), file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return file;
}

/** What a process of a container's takes its own pid to be. */
function pidInContainer(pid: number): string {
  const [, own = ''] = /^NSpid:\t\d+\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return own;
}

function lineage({ lineageInfo = [] }: ProcessSignal): string[] {
  return lineageInfo.map(({ parentExecFilePath }) => parentExecFilePath);
}

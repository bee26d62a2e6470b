import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Collector } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import type { ProcessSignal } from '../support/messages.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { onHost, scratchFolder, workload } from '../support/workload.js';

/** Most bytes that are kept of arguments. */
const PAGE = 4096;
/** Ancestors that are looked at. */
const ANCESTRY = 64;

/** A folder with the workload as the program that others go by, to be the root of a process. */
function jail(name: string): { readonly folder: string; readonly nginx: string } {
  const folder = path.join(scratchFolder(), name);
  mkdirSync(path.join(folder, 'usr/sbin'), { recursive: true });
  const nginx = path.join(folder, 'usr/sbin/nginx');
  copyFileSync(workload(), nginx);
  return { folder, nginx };
}

function ancestors({ lineageInfo = [] }: ProcessSignal): string[] {
  return lineageInfo.map(({ parentExecFilePath }) => parentExecFilePath);
}

describe('Whatever a process in a container writes or chooses, the daemon', function () {
  const keep = resources();
  let container: Container;
  let collector: Collector;
  const jailed = jail('jail');

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
    await (
      await container.start('jail', jailed.folder, 'exec', '/usr/sbin/nginx', 'hold', 'jailed early')
    ).said('pid');
    await (
      await container.start('exec', workload(), 'leaderless', 'spawn', workload(), 'hold', 'led early')
    ).said('pid');
    await (await container.start('exec', workload(), 'retitle', 'srv: master', 'hold', 'titled')).said('pid');
    collector = await keep(Collector.start([], { env: { ROX_COLLECTOR_SCRAPE_INTERVAL: '1' } }));
  });

  const signal = (args: string) => collector.signal(container.shortId, args);

  it('tells the path to the root of its mounts, and not to the one that it has chosen', async () => {
    await container.run(
      'jail',
      jailed.folder,
      'exec',
      '/usr/sbin/nginx',
      'spawn',
      '/usr/sbin/nginx',
      'exit',
      'jailed',
    );
    const told = await signal('exit jailed');
    assert.equal(told.execFilePath, jailed.nginx);
    assert.deepEqual(ancestors(told), [jailed.nginx, workload()]);
    assert.equal((await signal('hold jailed early')).execFilePath, jailed.nginx);
  });

  it('says of a path that leads to no root that it proves nothing', async () => {
    const { folder } = jail('detached');
    await container.run('jail-detached', folder, 'usr/sbin/nginx', 'spawn', workload(), 'exit', 'detached');
    const told = await signal('exit detached');
    const parent = collector
      .signals(container.shortId)
      .find(({ args }) => args?.endsWith('exit detached') && args !== 'exit detached');
    assert.equal(parent?.execFilePath, '(unreachable)/usr/sbin/nginx');
    assert.deepEqual(ancestors(told), ['(unreachable)/usr/sbin/nginx', workload()]);
  });

  it('tells of a process whose first thread has ended, and of its children', async () => {
    const found = collector
      .signals(container.shortId)
      .find(({ args }) => args?.startsWith('leaderless spawn'));
    assert.equal(found?.execFilePath, workload());
    assert.equal(found.scraped, true);
    const leaderless = path.join(scratchFolder(), 'leaderless');
    copyFileSync(workload(), leaderless);
    await container.run('exec', leaderless, 'leaderless', 'spawn', workload(), 'exit', 'led');
    assert.deepEqual(ancestors(await signal('exit led')), [leaderless, workload()]);
  });

  it('takes a title that is written over arguments for argv[0] alone', () => {
    const found = collector.signals(container.shortId).filter(({ name }) => name === 'srv: master');
    assert.deepEqual(
      found.map(({ args, scraped }) => [args ?? '', scraped]),
      [['', true]],
    );
  });

  for (const length of [10, PAGE - 6, PAGE, 3 * PAGE, 31 * PAGE]) {
    it(`tells the arguments behind an argv[0] of ${length} bytes`, async () => {
      await container.run('exec-named', String(length), workload(), 'exit', `behind ${length}`);
      assert.equal((await signal(`exit behind ${length}`)).execFilePath, workload());
    });
  }

  it('drops the NULs that empty arguments leave at the end', async () => {
    await container.run('exec', workload(), 'exit', 'empty', '', '', '');
    assert.equal((await signal('exit empty')).args, 'exit empty');
  });

  it('tells of a process with more ancestors of one program than are looked at', async () => {
    await container.run('chain', String(ANCESTRY + 2), 'exec', workload(), 'exit', 'chained');
    assert.deepEqual(ancestors(await signal('exit chained')), [workload()]);
  });

  it('keeps to what the exec told, whatever is written over it before somebody fresh hears of it', async () => {
    const job = await container.start('exec', workload(), 'retitle', 'forged', 'serve', '0.0.0.0', '1');
    await job.said('listening');
    const endpoint = await collector.shows(
      () => 'an endpoint',
      () => collector.endpoints(container.shortId).find(({ originator }) => originator !== undefined),
    );
    assert.deepEqual(endpoint.originator, {
      processName: 'workload',
      processExecFilePath: workload(),
      processArgs: 'retitle forged serve 0.0.0.0 1',
    });
  });
});

describe('On processes that come into a container from outside, the daemon', function () {
  const keep = resources();
  let container: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create({ hostPids: true }));
    collector = await keep(Collector.start([]));
  });

  const told = (args: string) => collector.signals(container.shortId).filter((one) => one.args === args);

  it('tells of one that was started elsewhere, once, with all that is known without its memory', async () => {
    const mark = randomUUID();
    const child = spawn(workload(), ['hold', mark], { stdio: 'ignore' });
    await keep({ remove: () => void child.kill() });
    await eventually(
      () => readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').includes(mark),
      'it has started',
    );
    writeFileSync(container.procs, String(child.pid));
    const signal = await collector.shows(
      () => 'the process that was moved',
      () => collector.signals(container.shortId).find(({ pid }) => pid === child.pid),
    );
    assert.equal(signal.execFilePath, workload());
    assert.equal(signal.name, 'workload');
    assert.equal(signal.scraped, true);
    writeFileSync(container.procs, String(child.pid));
    await container.run('exec', workload(), 'exit', 'after the move');
    await collector.signal(container.shortId, 'exit after the move');
    assert.equal(collector.signals(container.shortId).filter(({ pid }) => pid === child.pid).length, 1);
  });

  it('tells of one that comes by itself, with its arguments', async () => {
    await onHost('exec', workload(), 'enter', container.procs, workload(), 'exit', 'came by itself');
    await collector.signal(container.shortId, 'exit came by itself');
    const mark = `-c echo 0 >"$0" && true ${container.procs}`;
    execFileSync('sh', ['-c', 'echo 0 >"$0" && true', container.procs]);
    assert.equal((await collector.signal(container.shortId, mark)).scraped, true);
  });

  it('leaves out a helper of the host once, and nothing that imitates one', async () => {
    await onHost('helper', container.procs);
    // As the container's own, by a shell as others do it, and with a parent outside of the container.
    await container.run('exec', '/proc/self/exe', 'exit', 'by name');
    await container.run(
      'exec',
      workload(),
      'retitle',
      'runc:[2:INIT]',
      'exec',
      '/proc/self/exe',
      'exit',
      'by title',
    );
    await container.run('orphan', 'exec', '/proc/self/exe', 'exit', 'as an orphan');
    await onHost('enter', container.procs, workload(), 'exec', '/proc/self/exe', 'exit', 'at second sight');
    for (const args of ['exit by name', 'exit by title', 'exit as an orphan', 'exit at second sight'])
      await collector.signal(container.shortId, args);
    assert.deepEqual(told('exit helper'), []);
  });
});

import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ArgumentReader, type ReadAnswer, type ReadRequest } from '../../actors/capture/argument-reader.js';
import { parseStat } from '../../actors/capture/procfs/text.js';
import { Blocked, hasFuse } from '../support/blocker.js';
import { cgroupHierarchies } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { removeFolder } from '../support/folder.js';
import { isRoot, requires } from '../support/requirements.js';

const PROGRAM = path.resolve(import.meta.dirname, '../../dist/argument-reader');
const ARGS_CAPACITY = 4096;
const CONTAINER = 7;

function request(pid: number, container = CONTAINER): ReadRequest {
  const { startTicks } = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))!;
  return { pid, tid: pid, container, startTicks };
}

function text(answer: ReadAnswer | undefined): string {
  return typeof answer === 'object' ? answer.bytes.toString('latin1') : String(answer);
}

/** Helpers that this process has now. */
function helpers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
        return stat?.comm === 'argument-reader' && stat.ppid === process.pid;
      } catch {
        return false;
      }
    });
}

describe('The reader of arguments', function () {
  this.timeout(60_000);
  let reader: ArgumentReader;
  let problems: string[];
  let children: { remove(): void | Promise<void> }[];

  beforeEach(() => {
    problems = [];
    children = [];
    reader = made();
  });
  afterEach(async () => {
    reader.close();
    for (const child of children) await child.remove();
  });

  function made(options: Partial<ConstructorParameters<typeof ArgumentReader>[0]> = {}): ArgumentReader {
    return new ArgumentReader({
      program: PROGRAM,
      folder: '/proc',
      onProblem: (message) => problems.push(message),
      ...options,
    });
  }

  function running(...args: readonly string[]): ChildProcess & { pid: number } {
    const child = spawn('/bin/sleep', ['1000', ...args], { stdio: 'ignore', argv0: 'name' });
    children.push({ remove: () => void child.kill('SIGKILL') });
    return child as ChildProcess & { pid: number };
  }

  async function blocked(): Promise<Blocked> {
    const one = await Blocked.start('secret');
    children.push(one);
    return one;
  }

  const read = async (...requests: readonly ReadRequest[]) => reader.read('arguments', requests);

  it('gives the arguments behind argv[0], each with its NUL', async () => {
    // It ends at once, as sleep(1) takes no such words; so they are those of a shell.
    const child = spawn('/bin/sh', ['-c', 'read x', 'two words', '', 'caf\xe9'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    children.push({ remove: () => void child.kill('SIGKILL') });
    const [answer] = await read(request(child.pid!));
    assert.equal(text(answer), '-c\0read x\0two words\0\0caf\xc3\xa9\0');
    assert.equal(typeof answer === 'object' && answer.isCut, false);
    assert.deepEqual(problems, []);
  });

  it('gives nothing of a process that has a name alone', async () => {
    const child = spawn('/bin/cat', [], { stdio: ['pipe', 'ignore', 'ignore'] });
    children.push({ remove: () => void child.kill('SIGKILL') });
    assert.deepEqual(await read(request(child.pid!)), [{ bytes: Buffer.alloc(0), isCut: false }]);
  });

  it('cuts more than a megabyte of arguments, and marks that, behind an argv[0] of 100,000 bytes too', async () => {
    const long = Array.from({ length: 14 }, (_, i) => String(i % 10).repeat(100_000));
    const child = spawn('/bin/sh', ['-c', 'read x', ...long], {
      stdio: ['pipe', 'ignore', 'ignore'],
      argv0: 'n'.repeat(100_000),
    });
    children.push({ remove: () => void child.kill('SIGKILL') });
    const [answer] = await read(request(child.pid!));
    assert.ok(typeof answer === 'object' && answer.isCut);
    assert.equal(text(answer), `-c\0read x\0${'0'.repeat(100_000)}`.slice(0, ARGS_CAPACITY));
  });

  it('reads what is stopped, and knows what has ended, is no more waited for, or has another process now', async () => {
    const stopped = running();
    stopped.kill('SIGSTOP');
    // The shell does not wait for its child, which has ended.
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push({ remove: () => void parent.kill('SIGKILL') });
    const zombie = Number(String((await once(parent.stdout, 'data'))[0]));
    await eventually(() => / Z /.test(readFileSync(`/proc/${zombie}/stat`, 'latin1')), 'a zombie');
    const { pid: gone } = spawnSync('true');
    const other = { ...request(stopped.pid), startTicks: 1 };
    const answers = await read(
      request(stopped.pid),
      request(zombie),
      { pid: gone, tid: gone, container: CONTAINER, startTicks: 5 },
      other,
    );
    assert.deepEqual(answers.map(text), ['1000\0', 'ended', 'ended', 'ended']);
    assert.deepEqual(reader.counts, { blocked: 0, avoided: 0, no_reader: 0, unreadable: 0 });
  });

  it('answers thousands of requests in their order', async () => {
    const some = [running('1'), running('2')] as const;
    const requests = Array.from({ length: 5000 }, (_, i) => request(some[i % 2]!.pid));
    const expected = requests.map((_, i) => `1000\0${(i % 2) + 1}\0`);
    assert.deepEqual((await read(...requests)).map(text), expected);
    assert.equal(helpers().length, 1);
  });

  it('gives up on a process that holds it up, not on the others, and asks it never again', async function () {
    requires(this, isRoot && hasFuse, 'needs root and /dev/fuse');
    const hostage = await blocked();
    const other = running();
    const [lost, found] = await read(request(hostage.pid), request(other.pid));
    assert.deepEqual([text(lost), text(found)], ['lost', '1000\0']);
    assert.equal(reader.counts.blocked, 1);
    assert.equal(reader.replaced, 1);
    assert.match(
      problems.join(),
      new RegExp(`^Process ${hostage.pid} holds up the reading of its arguments`),
    );
    await eventually(() => reader.leftBehind === 0, 'the helper that was held up is gone');

    reader.begin();
    assert.deepEqual((await read(request(hostage.pid), request(other.pid))).map(text), ['lost', '1000\0']);
    assert.deepEqual(reader.counts, { blocked: 1, avoided: 1, no_reader: 0, unreadable: 0 });
    assert.equal(problems.length, 1);
    // What shows that it is there takes no lock of its memory.
    const [status] = await reader.read('status', [request(hostage.pid)]);
    assert.match(text(status), new RegExp(`^${hostage.pid} \\(blocker\\)[^]*\\nName:\\tblocker\\n`));
  });

  it('waits no longer for one container than its share of a scan', async function () {
    requires(this, isRoot && hasFuse, 'needs root and /dev/fuse');
    const hostages = [];
    for (let i = 0; i < 8; i++) hostages.push(await blocked());
    const other = running();
    const answers = await read(...hostages.map(({ pid }) => request(pid)), request(other.pid, CONTAINER + 1));
    assert.deepEqual(answers.map(text), [...hostages.map(() => 'lost'), '1000\0']);
    const { blocked: waited, avoided } = reader.counts;
    assert.equal(waited + avoided, hostages.length);
    assert.ok(waited <= 5 && avoided >= 3, `waited for ${waited}, avoided ${avoided}`);
  });

  it('leaves four helpers behind at most, and reads again when they are gone', async function () {
    const freezer = cgroupHierarchies().get('freezer');
    requires(this, isRoot && freezer !== undefined, 'needs root and the freezer of cgroup v1');
    // Frozen, a process does not even die: as one that waits in the kernel for what never comes.
    const cgroup = path.join(freezer!, `collector-test-${process.pid}`);
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-arguments-'));
    mkdirSync(cgroup);
    try {
      writeFileSync(path.join(cgroup, 'freezer.state'), 'FROZEN');
      const program = path.join(folder, 'argument-reader');
      const flag = path.join(folder, 'frozen');
      writeFileSync(flag, '');
      writeFileSync(
        program,
        `#!/bin/sh\n[ ! -e ${flag} ] || echo $$ >${cgroup}/cgroup.procs\nexec ${PROGRAM} "$@"\n`,
      );
      chmodSync(program, 0o755);
      reader = made({ program });
      const some = Array.from({ length: 6 }, (_, i) => request(running().pid, i));
      for (const one of some) await read(one);
      assert.equal(reader.leftBehind, 4);
      assert.equal(reader.replaced, 4);
      assert.ok(reader.counts.no_reader > 0);
      assert.match(problems.at(-1)!, /^4 helpers wait for memory of processes that hold them up/);
      reader.begin();
      assert.deepEqual((await read(some[5]!)).map(text), ['lost']);
      assert.equal(reader.replaced, 4);

      writeFileSync(path.join(cgroup, 'freezer.state'), 'THAWED');
      await eventually(() => reader.leftBehind === 0, 'they are gone');
      removeFolder(flag);
      reader.begin();
      assert.deepEqual((await read(some[5]!)).map(text), ['1000\0']);
    } finally {
      writeFileSync(path.join(cgroup, 'freezer.state'), 'THAWED');
      reader.close();
      await eventually(() => readFileSync(path.join(cgroup, 'cgroup.procs'), 'utf8') === '', 'all are gone');
      rmdirSync(cgroup);
      removeFolder(folder);
    }
  });

  it('says that its program is missing, and goes on without', async () => {
    reader = made({ program: '/nowhere/argument-reader' });
    assert.deepEqual(await read(request(running().pid)), ['lost']);
    assert.ok(reader.counts.no_reader > 0);
    assert.match(problems[0]!, /^\/nowhere\/argument-reader does not start \(ENOENT\).*Remedy/);
    assert.equal(problems.length, 1);
  });

  it('says that procfs hides the processes of others', async function () {
    requires(this, isRoot, 'needs root');
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-hidepid-'));
    const { status } = spawnSync('mount', ['-t', 'proc', '-o', 'hidepid=2', 'proc', folder]);
    try {
      requires(this, status === 0, 'a procfs with hidepid cannot be mounted here');
      // As another user, whom Collector is in a pod.
      const wrapped = path.join(mkdtempSync(path.join(tmpdir(), 'collector-user-')), 'argument-reader');
      writeFileSync(
        wrapped,
        `#!/bin/sh\nexec setpriv --reuid 65532 --regid 65532 --clear-groups ${PROGRAM} "$@"\n`,
      );
      chmodSync(wrapped, 0o755);
      reader = made({ program: wrapped, folder });
      assert.deepEqual(await read(request(running().pid)), ['lost']);
      assert.equal(reader.counts.unreadable, 1);
      assert.match(problems.join(), /hides the processes of other users.*hidepid/);
      reader.close();
      removeFolder(path.dirname(wrapped));
    } finally {
      spawnSync('umount', ['-l', folder]);
      rmdirSync(folder);
    }
  });

  it('has a helper without privileges, environment or descriptors, which goes when it is closed', async () => {
    await read(request(process.pid));
    const [pid] = helpers();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.match(status, new RegExp(`${set}:\t0+\n`));
    assert.match(status, /NoNewPrivs:\t1\n/);
    if (isRoot) {
      assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '');
      const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      assert.equal(links.length, 2);
      assert.ok(links.every((link) => link.startsWith('socket:')));
    }
    reader.close();
    await eventually(() => !existsSync(`/proc/${pid}/exe`), 'it is gone');
  });

  it('has a helper that does not outlive the process that started it', async () => {
    const script = `const { spawn } = require('node:child_process');
      const { pid } = spawn(${JSON.stringify(PROGRAM)}, ['/proc'], { stdio: ['pipe', 'pipe', 'ignore'] });
      console.log(pid); setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(String((await once(parent.stdout, 'data'))[0]));
    parent.kill('SIGKILL');
    await eventually(() => !existsSync(`/proc/${pid}/exe`) || isZombie(pid), 'it is gone');
  });
});

function isZombie(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

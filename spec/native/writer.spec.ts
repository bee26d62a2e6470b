import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, mkdtempSync, readFileSync, readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadIo, type Writer } from '../../native/io.js';
import { eventually } from '../support/eventually.js';
import { removeFolder } from '../support/folder.js';
import { requires } from '../support/requirements.js';

const PIPE_BYTES = 64 * 1024;
const io = loadIo(path.resolve(import.meta.dirname, '../../dist/io.node'));

describe('a writer', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'collector-writer-'));
  const open: number[] = [];
  let pipes = 0;
  let events = 0;

  function writer(capacity: number, stopAtError = false): Writer {
    events = 0;
    return new io.Writer(capacity, stopAtError, () => events++);
  }

  /** A pipe whose reader is this process: it reads when it is told to. */
  function pipe(): { readonly name: string; readonly fd: number } {
    const name = path.join(folder, `pipe${pipes++}`);
    execFileSync('mkfifo', [name]);
    const fd = openSync(name, constants.O_RDWR | constants.O_NONBLOCK);
    open.push(fd);
    return { name, fd };
  }

  after(() => removeFolder(folder));
  afterEach(() => open.splice(0).forEach((fd) => closeSync(fd)));

  function read(fd: number): Buffer {
    const buffer = Buffer.alloc(2 * PIPE_BYTES);
    return buffer.subarray(0, readSync(fd, buffer));
  }

  it('takes bytes before it has a descriptor, and writes them in order', async () => {
    const file = path.join(folder, 'file');
    const one = writer(100);
    for (const text of ['one ', 'two ', 'three']) assert.ok(one.write(Buffer.from(text)));
    assert.equal(one.pending, 13);
    one.start(openSync(file, 'w'), true);
    assert.ok(one.flush(5000));
    assert.equal(readFileSync(file, 'utf8'), 'one two three');
    one.close();
    assert.throws(() => one.write(Buffer.from('x')), /closed/);
    await eventually(
      () => !execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' }).includes(file),
      'it closes the file',
    );
  });

  it('never waits for a reader: takes as much as it has room for, and goes on when there is room again', async () => {
    const { name, fd } = pipe();
    const one = writer(100_000);
    one.start(openSync(name, 'w'), true);
    const line = Buffer.alloc(1000, 'x');
    await eventually(() => !one.write(line), 'it is full');
    assert.ok(one.pending <= 100_000 && one.pending > 99_000, `${one.pending} bytes wait`);
    assert.equal(one.flush(1), false);
    one.notifyBelow(50_000);
    assert.equal(events, 0);
    await eventually(() => {
      try {
        read(fd);
      } catch {
        // nothing at the moment
      }
      return events === 1;
    }, 'it says that there is room');
    assert.ok(one.pending <= 50_000);
    assert.ok(one.write(line));
  });

  it('loses and repeats nothing on a pipe that somebody else has made non-blocking', async () => {
    const { name } = pipe();
    const one = writer(10_000_000);
    one.start(openSync(name, constants.O_WRONLY | constants.O_NONBLOCK), true);
    const text = Array.from({ length: 50_000 }, (_, n) => `${n}\n`).join('');
    assert.ok(one.write(Buffer.from(text)));
    one.close();
    const slow = spawn('sh', ['-c', `sleep 0.2; exec timeout 10 head -c ${text.length} "$0"`, name]);
    const chunks: Buffer[] = [];
    slow.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(slow, 'close');
    assert.equal(Buffer.concat(chunks).toString(), text);
  });

  it('leaves the flags of a descriptor that others share as they are', () => {
    const { name, fd } = pipe();
    const shared = openSync(name, 'w');
    const flags = () => readFileSync(`/proc/self/fdinfo/${shared}`, 'utf8').match(/flags:\s+(\d+)/)?.[1];
    const before = flags();
    const one = writer(1000);
    one.start(shared, false);
    one.write(Buffer.from('hello'));
    assert.ok(one.flush(5000));
    assert.equal(read(fd).toString(), 'hello');
    assert.equal(flags(), before);
    one.close();
    closeSync(shared);
  });

  it('takes what is larger than its room if nothing waits', () => {
    const one = writer(10);
    assert.ok(one.write(Buffer.alloc(1000)));
    assert.equal(one.write(Buffer.alloc(1)), false);
    one.close();
  });

  for (const stopAtError of [false, true]) {
    it(`says what cannot be written, and then ${stopAtError ? 'takes no more' : 'goes on'}`, async function () {
      requires(this, existsSync('/dev/full'), 'no /dev/full');
      const one = writer(1000, stopAtError);
      one.start(openSync('/dev/full', 'w'), true);
      assert.equal(one.error, undefined);
      one.write(Buffer.from('x'));
      await eventually(() => events === 1, 'it says so');
      assert.equal(one.error, 'ENOSPC');
      assert.equal(one.pending, 0);
      assert.equal(one.write(Buffer.from('x')), !stopAtError);
      one.close();
    });
  }

  it('keeps no process alive, and none from ending while a write hangs', async () => {
    const { name } = pipe();
    const code = `
      const io = require('./dist/io.node');
      const one = new io.Writer(1e6, false, () => undefined);
      one.start(require('fs').openSync('${name}', 'w'), true);
      one.write(Buffer.alloc(${2 * PIPE_BYTES}));
      process.on('exit', (code) => io.exit(code + 3));`;
    const child = spawn(process.execPath, ['--eval', code], { stdio: 'ignore' });
    const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    assert.deepEqual(await once(child, 'exit'), [3, null]);
    clearTimeout(killer);
  });
});

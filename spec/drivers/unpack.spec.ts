import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { LARGEST_OBJECT, unpack } from '../../actors/drivers/unpack.js';
import { isRoot, requires } from '../support/requirements.js';
import { Workplace } from './support.js';

const ARCHIVE = gzipSync('a driver');
const MIB = 1024 * 1024;

describe('unpacking a driver', () => {
  let place: Workplace;
  let target: string;
  beforeEach(() => {
    place = new Workplace();
    target = path.join(place.modules, 'collector.o');
  });
  afterEach(() => place.remove());

  function unpacked(source: Readable, signal = new AbortController().signal): Promise<void> {
    return unpack(source, target, { gzip: true, signal });
  }

  it('makes it readable for everybody, whatever the umask is', async () => {
    const umask = process.umask(0o077);
    try {
      await unpacked(Readable.from([ARCHIVE]));
    } finally {
      process.umask(umask);
    }
    assert.deepEqual(place.placed, { 'collector.o': 'a driver' });
    assert.equal(place.mode('collector.o'), 0o444);
  });

  it('takes one that was packed in several members, as bgzip and cat do', async () => {
    await unpacked(Readable.from([gzipSync('a '), gzipSync('driver')]));
    assert.deepEqual(place.placed, { 'collector.o': 'a driver' });
  });

  describe('leaves the driver before, and nothing else, when', () => {
    beforeEach(() => place.place('collector.o', 'previous'));
    afterEach(() => assert.deepEqual(place.placed, { 'collector.o': 'previous' }));

    it('a second member is damaged', async () => {
      const damaged = gzipSync('x').subarray(0, -4);
      await assert.rejects(unpacked(Readable.from([ARCHIVE, damaged])), /no whole gzip archive/);
    });

    it('an archive that unpacks to little has over 64 MiB itself', async () => {
      await assert.rejects(
        unpacked(Readable.from(endlessName())),
        /^DriverProblem: packed, it has over 64 MiB$/,
      );
    });

    it('what it is read from breaks', async () => {
      const source = new PassThrough();
      source.write(ARCHIVE.subarray(0, 15));
      const unpacking = unpacked(source);
      setImmediate(() => source.destroy(new Error('broken wire')));
      await assert.rejects(unpacking, /broken wire/);
    });

    it('it is told to stop, and reads no further', async () => {
      const stop = new AbortController();
      const source = new PassThrough();
      source.write(ARCHIVE.subarray(0, 15));
      const unpacking = unpacked(source, stop.signal);
      setImmediate(() => stop.abort());
      await assert.rejects(unpacking, { name: 'AbortError' });
      assert.ok(source.destroyed);
    });
  });

  it('says so when the disk is full, and frees what it took', async function () {
    requires(this, isRoot, 'no root');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place.modules]);
    try {
      place.place('collector.o', 'previous');
      await assert.rejects(unpacked(Readable.from([gzipSync(Buffer.alloc(2 * MIB))])), {
        code: 'DRIVER_UNWRITABLE',
        message: `The driver cannot be put at ${target}: ENOSPC.`,
      });
      assert.deepEqual(place.placed, { 'collector.o': 'previous' });
    } finally {
      execFileSync('umount', [place.modules]);
    }
  });

  it('makes the folders above it', async () => {
    target = path.join(place.modules, 'a/b/collector.o');
    await unpacked(Readable.from([ARCHIVE]));
    assert.deepEqual(readdirSync(path.join(place.modules, 'a/b')), ['collector.o']);
  });

  it('says so where the kernel lets nobody make a folder, and where a file is in the way', async () => {
    for (const [folder, reason] of [
      ['/proc/no-such-folder/below', 'ENOENT'],
      [`${process.execPath}/below`, 'ENOTDIR'],
    ] as const) {
      await assert.rejects(
        unpack(Readable.from([ARCHIVE]), `${folder}/collector.o`, {
          gzip: true,
          signal: new AbortController().signal,
        }),
        { message: `The driver cannot be put at ${folder}/collector.o: ${reason}.` },
      );
    }
  });

  it('says so when a folder stands where the driver belongs', async () => {
    mkdirSync(path.join(target, 'inside'), { recursive: true });
    await assert.rejects(unpacked(Readable.from([ARCHIVE])), { code: 'DRIVER_UNWRITABLE' });
    assert.deepEqual(readdirSync(place.modules), ['collector.o']);
  });
});

/** An archive with a file name of 64 MiB first (RFC 1952 §2.3.1, FNAME), before anything to be unpacked. */
function* endlessName(): Generator<Buffer> {
  yield Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]);
  const part = Buffer.alloc(MIB, 'a');
  for (let sent = 0; sent < LARGEST_OBJECT; sent += part.length) yield part;
}

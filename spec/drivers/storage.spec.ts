import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { findDriver, type AbsentDriver } from '../../actors/drivers/actor.js';
import { readSettings } from '../../actors/settings/read.js';
import { asFailure, type Failure } from '../../actors/telemetry/failures.js';
import { isRoot, requires } from '../support/requirements.js';
import { recordingLog, Workplace } from './support.js';

const OBJECT = 'collector-ebpf-6.1.0.o';
const GZIPPED = `${OBJECT}.gz`;

describe('looking for a driver on this node', () => {
  let place: Workplace;
  let lines: string[];
  let stop: AbortController;

  beforeEach(() => {
    place = new Workplace();
    stop = new AbortController();
    lines = [];
  });
  afterEach(() => place.remove());

  async function find(env: Record<string, string> = {}, hasTypes = true) {
    const { log, lines: written } = recordingLog();
    lines = written;
    const { settings } = readSettings([], {
      COLLECTION_METHOD: 'ebpf',
      ROX_COLLECTOR_KERNEL_MODULES_DIR: place.storage,
      ROX_COLLECTOR_MODULE_DIR: place.modules,
      ...env,
    });
    const kernel = () => ({
      release: '6.1.0',
      version: '#1~20.04.1-Ubuntu',
      osRelease: '',
      minikubeVersion: '',
    });
    return findDriver({ settings, log, signal: stop.signal, hasTypes, kernel });
  }

  /** Of all files that would do. */
  function names({ drivers }: AbsentDriver): string[] {
    return drivers.flat().map(({ object }) => object);
  }

  async function failure(): Promise<Failure> {
    return find().then(() => assert.fail('nothing was thrown'), asFailure);
  }

  it('finds the one that is part of Collector without looking', async () => {
    assert.deepEqual(await find({ COLLECTION_METHOD: 'core_bpf' }), { kind: 'builtin' });
    assert.deepEqual(lines, []);
  });

  it('unpacks an archive to where it is loaded from, readable for all and writable for nobody', async () => {
    place.store(GZIPPED, gzipSync('driver'));
    assert.deepEqual(await find(), { kind: 'local', driver: { path: `${place.modules}/collector.o` } });
    assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    assert.equal(place.mode('collector.o'), 0o444);
  });

  it('copies one that is not packed', async () => {
    place.store(OBJECT, 'driver');
    assert.deepEqual(await find(), { kind: 'local', driver: { path: `${place.modules}/collector.o` } });
    assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    assert.equal(place.mode('collector.o'), 0o444);
  });

  it('prefers the archive', async () => {
    place.store(GZIPPED, gzipSync('packed'));
    place.store(OBJECT, 'plain');
    await find();
    assert.deepEqual(place.placed, { 'collector.o': 'packed' });
  });

  it('prefers the better candidate', async () => {
    place.store(GZIPPED, gzipSync('plain'));
    place.store('collector-ebpf-6.1.0~20.04.o', 'back-port');
    await find();
    assert.deepEqual(place.placed, { 'collector.o': 'back-port' });
  });

  it('takes the place of an earlier driver, and makes the folder if it is not there', async () => {
    place.store(GZIPPED, gzipSync('new'));
    place.place('collector.o', 'previous');
    await find();
    assert.deepEqual(place.placed, { 'collector.o': 'new' });
    const found = await find({ ROX_COLLECTOR_MODULE_DIR: `${place.modules}/a/b` });
    assert.deepEqual(found, { kind: 'local', driver: { path: `${place.modules}/a/b/collector.o` } });
  });

  it('looks for a kernel module under its own name', async () => {
    place.store('collector-6.1.0.ko.gz', gzipSync('module'));
    const found = await find({ COLLECTION_METHOD: 'kernel_module' });
    assert.deepEqual(found, { kind: 'local', driver: { path: `${place.modules}/collector.ko` } });
    assert.deepEqual(place.placed, { 'collector.ko': 'module' });
  });

  it('tells which kernels it looks for, and what there is not, in the words that people search for', async () => {
    place.store('MODULE_VERSION.txt', '2.2.0\nbuilt today\n');
    const found = await find();
    assert.deepEqual(lines, [
      'INFO Module version: 2.2.0',
      'INFO Attempting to find kernel module - Candidate kernel versions:',
      'INFO 6.1.0~20.04',
      'INFO 6.1.0',
      'INFO Local storage does not contain collector-ebpf-6.1.0~20.04.o',
      'INFO Local storage does not contain collector-ebpf-6.1.0.o',
    ]);
    assert.ok(found.kind === 'absent');
    assert.deepEqual(names(found), ['collector-ebpf-6.1.0~20.04.o', OBJECT]);
    assert.equal(found.version, '2.2.0');
    assert.deepEqual(place.placed, {});
  });

  it('looks only for KERNEL_CANDIDATES if they are given', async () => {
    const found = await find({ KERNEL_CANDIDATES: '5.4.0-1 5.4.0-2' });
    assert.ok(found.kind === 'absent');
    assert.deepEqual(names(found), ['collector-ebpf-5.4.0-1.o', 'collector-ebpf-5.4.0-2.o']);
  });

  it('takes the types of a kernel that has none of its own from beside the driver, or neither', async () => {
    place.store(OBJECT, 'driver');
    const without = await find({}, false);
    assert.ok(without.kind === 'absent');
    assert.deepEqual(names(without).slice(-2), [OBJECT, 'collector-btf-6.1.0']);
    assert.equal(lines.at(-1), 'INFO Local storage does not contain collector-btf-6.1.0');
    place.store('collector-btf-6.1.0.gz', gzipSync('types'));
    const [path, btf] = ['collector.o', 'collector.btf'].map((name) => `${place.modules}/${name}`);
    assert.deepEqual(await find({}, false), { kind: 'local', driver: { path, btf } });
    assert.deepEqual(place.placed, { 'collector.o': 'driver', 'collector.btf': 'types' });
  });

  describe('without a usable MODULE_VERSION.txt', () => {
    for (const [text, why] of [
      [undefined, 'cannot be read (ENOENT)'],
      ['', 'is no version'],
      ['../../etc\n', 'is no version'],
    ] as const) {
      it(`(${JSON.stringify(text)}) still finds what is here, and says what is wrong`, async () => {
        if (text !== undefined) place.store('MODULE_VERSION.txt', text);
        place.store(GZIPPED, gzipSync('driver'));
        assert.equal((await find()).kind, 'local');
        assert.match(lines[0]!, /^INFO Module version: unknown, .*MODULE_VERSION\.txt/);
        assert.ok(lines[0]!.endsWith(why), lines[0]);
      });
    }
  });

  describe('passes over', () => {
    const whole = gzipSync('driver'.repeat(10_000));
    const flipped = Buffer.from(whole);
    flipped[whole.length - 6]! ^= 1;
    const unusable: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
      'an archive that is none': [Buffer.from('<html>'), /no whole gzip archive \(incorrect header check\)/],
      'an archive that ends early': [
        whole.subarray(0, -9),
        /no whole gzip archive \(unexpected end of file\)/,
      ],
      'an archive with a flipped bit': [flipped, /no whole gzip archive \(incorrect data check\)/],
      'an archive of nothing': [gzipSync(''), /unpacked, it has 0 bytes/],
      'an empty file': [Buffer.alloc(0), /it has 0 bytes/],
      'a bomb': [gzipSync(Buffer.alloc(64 * 1024 * 1024 + 1)), /unpacked, it has over 64 MiB/],
    };

    for (const [title, [content, reason]] of Object.entries(unusable)) {
      it(`${title}, says so, and leaves the earlier driver alone`, async () => {
        place.store(GZIPPED, content);
        place.place('collector.o', 'previous');
        const found = await find();
        assert.ok(found.kind === 'absent');
        assert.match(found.unusable.map(({ problem }) => problem.message).join(), reason);
        const about = lines.filter((line) => line.includes(GZIPPED));
        assert.equal(about.length, 1);
        assert.match(about[0]!, /^WARNING Local storage contains .*, which cannot be used: /);
        assert.match(about[0]!, reason);
        assert.ok(!lines.includes(`INFO Local storage does not contain ${OBJECT}`));
        assert.deepEqual(place.placed, { 'collector.o': 'previous' });
      });
    }

    it('a folder in the place of a file', async () => {
      mkdirSync(path.join(place.storage, GZIPPED));
      await find();
      assert.ok(
        lines.some((line) => line.endsWith('it is no file')),
        lines.join('\n'),
      );
    });

    it('an archive in favour of the same object unpacked', async () => {
      place.store(GZIPPED, 'damaged');
      place.store(OBJECT, 'driver');
      assert.equal((await find()).kind, 'local');
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    });
  });

  it('takes a driver of just 64 MiB', async () => {
    place.store(GZIPPED, gzipSync(Buffer.alloc(64 * 1024 * 1024)));
    assert.equal((await find()).kind, 'local');
    assert.equal(place.placed['collector.o']!.length, 64 * 1024 * 1024);
  });

  it('removes what a crash left, and nothing else', async () => {
    for (const name of ['collector.o.0011223344556677.part', 'collector.ko', 'other.part'])
      place.place(name, 'x');
    await find();
    assert.deepEqual(Object.keys(place.placed), ['collector.ko', 'other.part']);
  });

  it('stops at once when it is told to, with nothing left behind', async () => {
    place.store(GZIPPED, gzipSync('new'));
    place.place('collector.o', 'previous');
    stop.abort(new Error('enough'));
    await assert.rejects(find(), /enough/);
    assert.deepEqual(place.placed, { 'collector.o': 'previous' });
  });

  describe('fails where it cannot write', () => {
    it('naming the place and what to do', async () => {
      place.store(GZIPPED, gzipSync('driver'));
      place.remove();
      mkdirSync(place.storage, { recursive: true });
      place.store(GZIPPED, gzipSync('driver'));
      writeFileSync(place.modules, 'a file');
      const { code, message, remedy } = await failure();
      assert.equal(code, 'DRIVER_UNWRITABLE');
      assert.ok(message.includes(`${place.modules}/collector.o`), message);
      assert.match(message, /EEXIST|ENOTDIR/);
      assert.match(remedy, /writable folder.*ROX_COLLECTOR_MODULE_DIR/);
    });

    it('such as on a read-only file system, whose earlier driver stays', async function () {
      requires(this, isRoot, 'no root');
      place.store(GZIPPED, gzipSync('new'));
      execFileSync('mount', ['-t', 'tmpfs', 'none', place.modules]);
      try {
        place.place('collector.o', 'previous');
        execFileSync('mount', ['-o', 'remount,ro', place.modules]);
        const { code, message } = await failure();
        assert.equal(code, 'DRIVER_UNWRITABLE');
        assert.match(message, /EROFS/);
        assert.deepEqual(place.placed, { 'collector.o': 'previous' });
      } finally {
        execFileSync('umount', [place.modules]);
      }
    });
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import type { LifecycleMessage, RecordedFact } from '../../actors/capture/facts.js';
import { FRAME_CAPACITY, FRAME_HEADER, MAGIC } from '../../actors/capture/journal.js';
import { decodeLifecycle } from '../../actors/capture/lifecycle-messages.js';
import { process_record, socket_record } from '../../actors/capture/layout.js';
import { AF_INET6 } from '../../actors/capture/linux.js';
import { Recorder } from '../../actors/capture/recorder.js';
import { openRecording, recordedSpan } from '../../actors/capture/replayer.js';
import type { Writer } from '../../native/io.js';
import { asFailure, Failure } from '../../actors/telemetry/failures.js';
import { startFact, stateSettings } from '../support/facts.js';
import { isRoot, requires } from '../support/requirements.js';
import { recordingWriter } from '../support/recording-writer.js';
import { batch, execRecord, exitRecord, socketRecord } from '../support/records.js';

const start = startFact({
  time: 1e9,
  epoch: 1.7e18,
  settings: stateSettings({ ignoredNetworks: ['169.254.0.0/16'] }),
});

const records = batch(
  execRecord({
    pid: 7,
    path: '/bin/ls',
    args: ['ls', '-l'],
    cgroupPath: '/a',
    lineage: [{ path: '/bin/sh' }, {}],
  }),
  socketRecord({ pid: 7, local: '10.0.0.1', remote: '10.0.0.2' }),
  socketRecord({ pid: 7, local: 'fd00::1', remote: 'fd00::2' }),
  exitRecord({ pid: 7 }),
);
const snapshot = {
  status: 'active',
  active: ['collector', 'collector.starting'],
  context: { driver: { name: 'x', hooks: [1, null, true] } },
} as const;
const lifecycle: readonly LifecycleMessage[] = [
  { type: 'hello', time: 1.7e12, version: '1', node: 'n', release: '6.1', protocol: 1, mode: 'live' },
  { type: 'actor', time: 1.7e12, actor: 'x:0', id: 'collector', chart: 'collector', snapshot },
  { type: 'actor', time: 1.7e12, actor: 'x:1', id: 'capture', parent: 'x:0', snapshot },
  {
    type: 'transition',
    time: 1.7e12,
    actor: 'x:0',
    event: { type: 'xstate.done.actor.load', fields: { took: 7 } },
    edges: ['collector.starting.load xstate.done.actor.load 0'],
    snapshot,
  },
  { type: 'event', time: 1.7e12, actor: 'x:1', source: 'x:0', event: { type: 'stop', fields: {} } },
  { type: 'snapshot', time: 1.7e12, actor: 'x:1', snapshot: { ...snapshot, status: 'stopped' } },
];
const facts: readonly RecordedFact[] = [
  start,
  { kind: 'lifecycle', time: 0.5e9, messages: lifecycle },
  { kind: 'scan', of: 'processes', audience: 'same', time: 2e9, records: batch() },
  {
    kind: 'scan',
    of: 'sockets',
    audience: 'same',
    time: 2.5e9,
    records: batch(socketRecord({ type: 'socket' })),
  },
  ...(['first', 'next', 'last'] as const).map((part): RecordedFact => ({
    kind: 'scan',
    of: 'sockets',
    part,
    audience: 'same',
    time: 2.6e9,
    records: batch(),
  })),
  { kind: 'records', time: 3e9, records },
  { kind: 'tick', time: 4e9, epoch: 1.7e18 + 256, audience: 'same' },
  { kind: 'clock', time: 4.1e9, epoch: 1.6e18 },
  { kind: 'control', time: 4.5e9, networks: Uint32Array.of(2, 8, 0x0a00_0000, 0, 0, 0) },
  {
    kind: 'control',
    time: 4.6e9,
    publicAddresses: Uint32Array.of(10, 128, 0x2001_0db8, 0, 0, 1),
    networks: new Uint32Array(0),
  },
  { kind: 'scan', of: 'processes', audience: 'fresh', time: 5e9, records: batch() },
  { kind: 'scan', of: 'processes', audience: 'none', time: 5.5e9, records: batch() },
  ...(['same', 'fresh', 'none'] as const).flatMap((audience) =>
    (['first', 'next', 'last'] as const).map((part): RecordedFact => ({
      kind: 'scan',
      of: 'processes',
      part,
      audience,
      time: 5.6e9,
      records: batch(),
    })),
  ),
  { kind: 'tick', time: 6e9, epoch: 1.7e18, audience: 'none' },
  { kind: 'config', time: 6.5e9, externalIps: 'ingress', maxConnectionsPerMinute: 2_147_483_647 },
  { kind: 'config', time: 6.6e9, externalIps: 'both', maxConnectionsPerMinute: 0 },
  {
    kind: 'containers',
    time: 6.7e9,
    updated: [
      {
        id: '4f2a91bc03de',
        namespace: 'shop',
        pod: 'web-0',
        podUid: 'u',
        name: 'main',
        image: 'shop/wéb:1',
        imageDigest: '',
        labels: { app: 'web' },
      },
    ],
    removed: ['0123456789ab'],
  },
  { kind: 'tick', time: 7e9, epoch: 1.7e18, audience: 'fresh' },
];

function webContainer(): object {
  return facts.flatMap((fact) => (fact.kind === 'containers' ? fact.updated : []))[0]!;
}

/** A fact as plain data, which can be compared and survives the next one. */
function plain(fact: RecordedFact): object {
  if (!('records' in fact)) return fact;
  return { ...fact, records: fact.records.u8.subarray(0, fact.records.length).toString('hex') };
}

describe('a recording', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-journal-'));
    file = path.join(folder, 'run');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function record(written: readonly RecordedFact[]): void {
    const writer = recordingWriter();
    const recorder = new Recorder(file, writer);
    for (const fact of written) recorder.write(fact);
    recorder.end();
    assert.ok(writer.flush(5000));
    recorder.close();
  }

  function read(): object[] {
    const recording = openRecording(file);
    return [plain(recording.start), ...Array.from(recording.all, plain)];
  }

  /** The failure of reading, and how many facts came before it. */
  function refusal(): { facts: number; failure: Failure } {
    let count = 0;
    try {
      const recording = openRecording(file);
      count++;
      for (const fact of recording.all) count += Number(fact.time > 0);
    } catch (error) {
      const failure = asFailure(error);
      return { facts: count, failure };
    }
    throw new Error('nothing was refused');
  }

  it('gives back the facts that were written', () => {
    record(facts);
    assert.deepEqual(read(), facts.map(plain));
  });

  it('of a run that was killed gives all that it has, and tells that its end is missing', () => {
    record(facts);
    const whole = openRecording(file);
    assert.equal(Array.from(whole.all).length, facts.length - 1);
    assert.equal(whole.hasEnd, true);
    truncateSync(file, readFileSync(file).length - FRAME_HEADER);
    const killed = openRecording(file);
    assert.equal(Array.from(killed.all).length, facts.length - 1);
    assert.equal(killed.hasEnd, false);
  });

  it('gives its facts without the lifecycle to what folds them', () => {
    record(facts);
    const kinds = Array.from(openRecording(file).facts, ({ kind }) => kind as string);
    assert.equal(kinds.length, facts.length - 2);
    assert.ok(!kinds.includes('lifecycle'));
  });

  it('tells its span, from the earliest time on, also where it is cut', () => {
    record(facts);
    assert.deepEqual(recordedSpan(file), { start: 0.5e9, end: 7e9 });
    truncateSync(file, readFileSync(file).length - FRAME_HEADER - 4);
    assert.equal(recordedSpan(file).start, 0.5e9);
  });

  it('has nothing behind its end', () => {
    record(facts);
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from('x')]));
    const { facts: given, failure } = refusal();
    assert.equal(given, facts.length);
    assert.match(failure.message, /more behind its end, \d+ bytes in/);
  });

  it('takes of a batch only the bytes in use', () => {
    const larger = batch(exitRecord({ pid: 1 }), exitRecord({ pid: 2 }));
    larger.length = larger.size(0);
    record([start, { kind: 'records', time: 1, records: larger }]);
    assert.deepEqual(read()[1], plain({ kind: 'records', time: 1, records: batch(exitRecord({ pid: 1 })) }));
  });

  it('may be read by nobody but its owner', () => {
    record(facts);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it('that ends inside a frame gives all facts before that, then says where it ends', () => {
    record(facts);
    truncateSync(file, readFileSync(file).length - FRAME_HEADER - 4);
    const { facts: given, failure } = refusal();
    assert.equal(given, facts.length - 1);
    assert.equal(failure.code, 'REPLAY_CUT');
    assert.match(failure.message, /ends inside a frame, \d+ bytes in/);
  });

  const files: readonly (readonly [string, Buffer | undefined, RegExp])[] = [
    ['a file that is missing', undefined, /ENOENT/],
    ['an empty file', Buffer.alloc(0), /not a recording/],
    ['another kind of file', Buffer.from('#!/bin/sh\nexit 0\n'), /not a recording/],
    ['a recording of another form', Buffer.from('CLCTREC1'), /form "1", and this Collector reads form "3"/],
    ['a recording of nothing', Buffer.from('CLCTREC3'), /does not begin with the start/],
  ];
  for (const [what, bytes, message] of files) {
    it(`is not ${what}`, () => {
      if (bytes !== undefined) writeFileSync(file, bytes);
      assert.match(refusal().failure.message, message);
    });
  }

  it('with a frame that is larger than any writer makes is refused before it is read', () => {
    record([start]);
    const whole = readFileSync(file);
    const frame = Buffer.from(whole.subarray(MAGIC.length, MAGIC.length + FRAME_HEADER));
    frame.writeUInt32LE(FRAME_CAPACITY + 1, 4);
    writeFileSync(file, Buffer.concat([whole.subarray(0, -FRAME_HEADER), frame]));
    truncateSync(file, 2 * FRAME_CAPACITY); // takes no room on the disk
    assert.match(refusal().failure.message, new RegExp(`a frame of ${FRAME_CAPACITY + 1} bytes, more than`));
  });

  it('with records that do not add up is refused before anybody folds them', () => {
    const broken = batch(execRecord({ path: '/bin/ls', args: ['ls'], lineage: [{ path: '/bin/sh' }] }));
    broken.u16[process_record.path_size >> 1] = 5000;
    record([start, { kind: 'records', time: 1, records: broken }]);
    assert.match(refusal().failure.message, /malformed record/);
  });

  it('with addresses that a record has no room for is refused before anybody folds them', () => {
    const broken = batch(socketRecord({ local: '10.0.0.1', remote: '10.0.0.2' }));
    broken.u8[socket_record.family] = AF_INET6;
    record([start, { kind: 'records', time: 1, records: broken }]);
    assert.match(refusal().failure.message, /malformed record/);
  });

  const strange = socketRecord();
  strange[socket_record.role] = 7;
  for (const [what, one] of [
    ['a role that is none', strange],
    ['the number of no container', exitRecord({ container: 7 })],
    ['an outermost container that is none', execRecord({ outermost: 7 })],
  ] as const) {
    it(`with ${what} is refused before anybody folds it`, () => {
      record([start, { kind: 'records', time: 1, records: batch(one) }]);
      assert.match(refusal().failure.message, /malformed record/);
    });
  }

  const starts: readonly (readonly [string, object])[] = [
    ['a seed that is a number', { ...start, seed: 123456789012345 }],
    ['a network that is none', { ...start, settings: stateSettings({ ignoredNetworks: ['x'] }) }],
    ['a network without a length', { ...start, settings: stateSettings({ ignoredNetworks: ['10.0.0.0'] }) }],
    ['a direction that is none', { ...start, settings: { ...stateSettings(), externalIps: 'up' } }],
    ['less than no connections', { ...start, settings: stateSettings({ maxConnectionsPerMinute: -1 }) }],
    ['a process table of no size', { ...start, settings: stateSettings({ processTableSize: 0 }) }],
    ['a wall clock beyond all dates', { ...start, epoch: 1e300 }],
    ['a wall clock of a year of five digits', { ...start, epoch: 8e21 }],
    ['a time beyond all runs', { ...start, time: 1e20 }],
    ['an endless afterglow', { ...start, settings: stateSettings({ afterglowPeriod: 1e308 }) }],
  ];
  for (const [what, fact] of starts) {
    it(`with ${what} is refused`, () => {
      record([fact as RecordedFact]);
      assert.equal(refusal().failure.code, 'REPLAY_UNREADABLE');
    });
  }

  for (const config of [
    { externalIps: 'up', maxConnectionsPerMinute: 1 },
    { externalIps: 'both', maxConnectionsPerMinute: 2_147_483_648 },
  ]) {
    it(`with the runtime configuration ${JSON.stringify(config)} is refused`, () => {
      record([start, { kind: 'config', time: 1, ...config } as RecordedFact]);
      assert.match(refusal().failure.message, /a runtime configuration that is none/);
    });
  }

  for (const [what, updated, removed] of [
    ['an id that is none', [], ['xyz']],
    ['no id', [{ labels: {} }], []],
    ['a label that is no text', [{ ...webContainer(), labels: { app: 1 } }], []],
    ['no labels', [{ ...webContainer(), labels: null }], []],
    ['a pod that is no text', [{ ...webContainer(), pod: 7 }], []],
    ['no list of them', {}, []],
  ] as const) {
    it(`with containers with ${what} is refused`, () => {
      record([start, { kind: 'containers', time: 1, updated, removed } as unknown as RecordedFact]);
      assert.match(refusal().failure.message, /containers that are none/);
    });
  }

  const deep = JSON.parse('['.repeat(20) + ']'.repeat(20)) as [];
  for (const [what, message] of [
    ['of no type', { ...lifecycle[1], type: 'replay' }],
    ['of a run on no node', { ...lifecycle[0], node: undefined }],
    ['of no actor', { ...lifecycle[1], actor: 7 }],
    ['of no time', { ...lifecycle[1], time: 1e300 }],
    ['with a status that is none', { ...lifecycle[2], snapshot: { ...snapshot, status: 'x' } }],
    ['with controls in a text', { ...lifecycle[2], id: 'a\x1b[2J' }],
    ['with controls in a name', { ...lifecycle[2], snapshot: { ...snapshot, context: { 'a\u202e': 1 } } }],
    ['with a text too long', { ...lifecycle[2], id: 'x'.repeat(5000) }],
    ['too deep', { ...lifecycle[2], snapshot: { ...snapshot, context: deep } }],
    ['too wide', { ...lifecycle[3], edges: Array(2000).fill('x') }],
    ['without its edges', { ...lifecycle[3], edges: undefined }],
  ] as const) {
    it(`without a lifecycle message ${what}: it is neither written nor read`, () => {
      const messages = [message as unknown as LifecycleMessage, lifecycle[1]!];
      record([start, { kind: 'lifecycle', time: 1, messages }]);
      assert.deepEqual(read()[1], { kind: 'lifecycle', time: 1, messages: [lifecycle[1]] });
      const payload = Buffer.from(JSON.stringify(messages));
      assert.throws(() => decodeLifecycle(payload), /a lifecycle that is none/);
    });
  }

  it('from before there was a runtime configuration tells no external IPs and limits nothing', () => {
    const config = ['externalIps', 'maxConnectionsPerMinute'];
    const settings = Object.fromEntries(
      Object.entries(start.settings).filter(([name]) => !config.includes(name)),
    );
    record([{ ...start, settings } as unknown as RecordedFact]);
    assert.deepEqual(read(), [
      {
        ...start,
        settings: { ...settings, externalIps: 'none', maxConnectionsPerMinute: 2_147_483_647 },
      },
    ]);
  });

  it('with any byte changed is read or refused, and never hangs or breaks', () => {
    record(facts);
    const whole = readFileSync(file);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        writeFileSync(file, changed);
        try {
          assert.ok(read().length >= 1);
        } catch (error) {
          assert.match(asFailure(error).code, /^REPLAY_/);
        }
      }),
    );
  });

  it('into a folder that is missing is refused before the run', () => {
    assert.throws(
      () => new Recorder(path.join(folder, 'missing', 'run'), recordingWriter()),
      (error) =>
        error instanceof Failure && error.code === 'RECORD_UNWRITABLE' && /ENOENT/.test(error.message),
    );
  });

  it('on a disk that does not answer ends when there is no more room, says so once, and holds nothing up', async () => {
    const said: Failure[] = [];
    const recorder = new Recorder(file, stuckWriter(4096), (failure) => said.push(failure));
    for (let n = 0; n < 20; n++) facts.forEach((fact) => recorder.write(fact));
    assert.equal(said.length, 1);
    assert.match(said[0]!.message, /ends here, and the run goes on/);
    assert.ok(recorder.lost > 0 && recorder.lost < 20 * facts.length);
    assert.ok((await recorder.written(50)) > 0);
    recorder.close();
  });

  it('on a full disk ends there, says so once, and can be replayed up to there', async function () {
    requires(this, isRoot, 'mounting a small file system needs root');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', folder]);
    try {
      const said: Failure[] = [];
      const recorder = new Recorder(file, recordingWriter(), (failure) => said.push(failure));
      for (const fact of facts.concat(facts, facts, facts)) recorder.write(fact);
      await recorder.written(5000);
      for (const fact of facts) recorder.write(fact);
      recorder.end();
      assert.deepEqual(
        said.map(({ code }) => code),
        ['RECORD_REFUSED'],
      );
      assert.match(said[0]!.message, /ends here, and the run goes on: .*ENOSPC/);
      assert.ok(recorder.lost > facts.length);
      recorder.close();
      assert.throws(read, (error) => error instanceof Failure && error.code === 'REPLAY_CUT');
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });
});

/** A writer whose disk takes nothing: what a real one does is in spec/native, and with a frozen disk in spec/e2e. */
function stuckWriter(capacity: number): Writer {
  let pending = 0;
  return {
    start: (fd) => closeSync(fd),
    write: ({ length }) => {
      if (pending + length > capacity) return false;
      pending += length;
      return true;
    },
    flush: () => false,
    notifyBelow: () => undefined,
    close: () => undefined,
    error: undefined,
    get pending() {
      return pending;
    },
  };
}

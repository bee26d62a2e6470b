import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { FactClock } from '../../actors/capture/fact-clock.js';
import { ProcessFlag, RecordFlag } from '../../actors/capture/layout.js';
import { openRecording } from '../../actors/capture/replayer.js';
import { ContainerState } from '../../actors/containers/state.js';
import { ContainerRefs } from '../../actors/inspection/container-ref.js';
import { EventFeed, eventRows, type EventFeedOptions } from '../../actors/inspection/events.js';
import type { EventRow } from '../../actors/inspection/protocol.js';
import { expectedOutput, RECORDING } from '../support/corpus.js';
import { startFact } from '../support/facts.js';
import {
  batch,
  execRecord,
  exitRecord,
  processRecord,
  socketRecord,
  type Process,
  type Socket,
} from '../support/records.js';
import { A, EPOCH_MS, events, named, SECOND, sockets } from './support.js';

const UDP = 17;
/** Lines of compact output but its header, and their parts. */
const LINE = /^\d.*$/gm;
const LINE_PARTS = /^\S+ (\S+) +(\d+) (\S+)/;

function setUp(options: EventFeedOptions = {}) {
  const clock = new FactClock();
  const containers = new ContainerState();
  let asked = 0;
  const refs = new ContainerRefs((container) => {
    asked++;
    return containers.metadataOf(container);
  });
  const names = { clock, refs };
  clock.take(startFact({ epoch: EPOCH_MS * 1e6 }));
  return { clock, containers, names, feed: new EventFeed(names, options), asked: () => asked };
}

const curl: Process = {
  container: A,
  pid: 4242,
  time: 2 * SECOND,
  comm: 'curl',
  path: '/usr/bin/curl',
  args: ['curl', '-s', 'http://web/'],
  uid: 33,
  lineage: [{ path: '/bin/bash' }, { path: '/sbin/init' }],
};
const tcp: Socket = {
  container: A,
  pid: 4242,
  time: 2 * SECOND,
  comm: 'curl',
  local: '10.0.0.1',
  localPort: 40_000,
  remote: '10.0.0.2',
  remotePort: 80,
};

describe('A row of an event', () => {
  const head = { container: A, namespace: '', pod: '', name: '', time: EPOCH_MS + 2000, pid: 4242 };
  const exec = { ...head, process: '/usr/bin/curl', uid: 33, lineage: ['/bin/bash', '/sbin/init'] };
  const listening = { ...head, process: 'curl', protocol: 'tcp', local: '10.0.0.1', localPort: 40_000 };
  const connection = { ...listening, remote: '10.0.0.2', remotePort: 80 };
  const cases: readonly (readonly [string, Uint8Array, readonly object[]])[] = [
    ['an exec', execRecord(curl), [{ ...exec, kind: 'exec', args: '-s http://web/' }]],
    [
      'an exec with cut texts',
      execRecord({ ...curl, flags: RecordFlag.argsCut | RecordFlag.pathCut }),
      [{ ...exec, kind: 'exec', process: '…/usr/bin/curl', args: '-s http://web/…' }],
    ],
    [
      'an exec with unreadable arguments',
      execRecord({ ...curl, args: [], flags: RecordFlag.argsLost }),
      [{ ...exec, kind: 'exec' }],
    ],
    [
      'text with controls',
      execRecord({ ...curl, args: ['curl', 'a\nb\u001b[31m\u202e'] }),
      [{ ...exec, kind: 'exec', args: 'a↵b�[31m�' }],
    ],
    [
      'the host',
      execRecord({ ...curl, container: 0 }),
      [{ ...exec, container: '', kind: 'exec', args: '-s http://web/' }],
    ],
    [
      'a process that came into the container',
      processRecord({ ...curl, flags: ProcessFlag.arrived }),
      [{ ...exec, kind: 'enter', args: '-s http://web/' }],
    ],
    ['a process about to listen', processRecord(curl), []],
    [
      'an exit',
      exitRecord({ ...curl, exitCode: 3 << 8 }),
      [{ ...head, kind: 'exit', process: 'curl', status: 3 }],
    ],
    ['a kill', exitRecord({ ...curl, exitCode: 9 }), [{ ...head, kind: 'exit', process: 'curl', signal: 9 }]],
    ['a connect', socketRecord({ ...tcp, role: 'client' }), [{ ...connection, kind: 'connect' }]],
    ['an accept', socketRecord({ ...tcp, role: 'server' }), [{ ...connection, kind: 'accept' }]],
    [
      'a connect read late',
      socketRecord({ ...tcp, opened: 1 * SECOND }),
      [{ ...connection, time: EPOCH_MS + 1000, kind: 'connect' }],
    ],
    [
      'a close',
      socketRecord({ ...tcp, type: 'close', opened: 0.5 * SECOND }),
      [{ ...connection, kind: 'close', lasted: 1500 }],
    ],
    [
      'the close of a connection older than Collector',
      socketRecord({ ...tcp, type: 'close' }),
      [{ ...connection, kind: 'close' }],
    ],
    [
      'an IPv6 connection',
      socketRecord({ ...tcp, local: 'fd00::1', remote: 'fd00::2' }),
      [{ ...connection, kind: 'connect', local: 'fd00::1', remote: 'fd00::2' }],
    ],
    [
      'the end of a connected UDP socket, and its start',
      socketRecord({ ...tcp, type: 'close', protocol: UDP, opened: 1 * SECOND }),
      [
        { ...connection, protocol: 'udp', time: EPOCH_MS + 1000, kind: 'connect' },
        { ...connection, protocol: 'udp', kind: 'close', lasted: 1000 },
      ],
    ],
    [
      'the end of a UDP socket older than Collector',
      socketRecord({ ...tcp, type: 'close', protocol: UDP }),
      [],
    ],
    ['a listen', socketRecord({ ...tcp, type: 'listen' }), [{ ...listening, kind: 'listen' }]],
    ['its end', socketRecord({ ...tcp, type: 'unlisten' }), [{ ...listening, kind: 'unlisten' }]],
    ['a datagram', socketRecord({ ...tcp, type: 'datagram', protocol: UDP }), []],
  ];
  for (const [what, record, rows] of cases) {
    it(`tells of ${what}`, () => {
      const { names } = setUp();
      assert.deepEqual(eventRows(batch(record), names), rows);
    });
  }

  it('has the names of its container once a runtime gave them, printable', () => {
    const { containers, names } = setUp();
    containers.fold(named({ pod: 'web\n0' }));
    const [row] = eventRows(batch(execRecord(curl)), names);
    assert.deepEqual([row!.namespace, row!.pod, row!.name], ['shop', 'web↵0', 'main']);
  });
});

describe('The feed of events', () => {
  const exec = execRecord(curl);

  it('does nothing while nobody watches', () => {
    const { feed, asked } = setUp({
      now: () => {
        throw new Error('It has looked at the clock.');
      },
    });
    const stop = feed.watch(() => assert.fail());
    stop();
    feed.take(events(1, exec));
    assert.equal(asked(), 0);
  });

  it('gives each listener the same rows, until it stops watching', () => {
    const { feed, asked } = setUp();
    const [one, other]: (readonly EventRow[])[][] = [[], []];
    const stop = feed.watch((rows) => one!.push(rows));
    feed.watch((rows) => other!.push(rows));
    feed.take(events(1, exec, exec));
    stop();
    feed.take(events(1, exec));
    feed.take({ kind: 'scan', of: 'processes', audience: 'same', time: 1, records: batch(exec) });
    assert.deepEqual(
      one!.map(({ length }) => length),
      [2],
    );
    assert.deepEqual(
      other!.map(({ length }) => length),
      [2, 1],
    );
    assert.equal(one![0], other![0]);
    assert.equal(asked(), 3);
  });

  it('leaves rows out beyond 2,000 a second, and counts them', () => {
    let time = 0;
    const { feed } = setUp({ now: () => time });
    const got: [number, number][] = [];
    feed.watch((rows, missed) => got.push([rows.length, missed]));
    const many = events(1, ...Array.from({ length: 1500 }, () => exec));
    feed.take(many);
    feed.take(many);
    feed.take(many);
    time = 1000;
    feed.take(many);
    assert.deepEqual(got, [
      [1500, 0],
      [500, 1000],
      [0, 1500],
      [1500, 0],
    ]);
  });

  it('has the latest rows of the past, in pieces', () => {
    const { feed } = setUp({ past: 64 * 1024 });
    const open = (n: number) => sockets(1, { ...tcp, localPort: n });
    for (let n = 1; n <= 5000; n++) feed.take(open(n));
    const ports = (count: number) =>
      [...feed.latest(count)].map((rows) => rows.map(({ localPort }) => localPort));
    assert.deepEqual(ports(3), [[4998, 4999, 5000]]);
    const all = ports(5000);
    assert.ok(all.length > 1 && all.every(({ length }) => length <= 256));
    // Half of the room is there at any time.
    const flat = all.flat();
    assert.ok(flat.length >= (32 * 1024) / 72 - 1 && flat.length <= (64 * 1024) / 72, String(flat.length));
    assert.deepEqual(
      flat,
      Array.from(flat, (_, at) => 5000 - flat.length + 1 + at),
    );
    assert.deepEqual(ports(0), [[]]);
  });

  it('keeps no past unless told to', () => {
    const { feed } = setUp();
    feed.take(events(1, exec));
    assert.deepEqual([...feed.latest(10)], []);
  });

  it('has the events of a recording: those of its compact output, and the exits of forks', () => {
    const { feed, clock, containers } = setUp({ now: () => 0 });
    const rows: EventRow[] = [];
    feed.watch((some, missed) => {
      rows.push(...some);
      assert.equal(missed, 0);
    });
    const { start, facts } = openRecording(RECORDING);
    for (const fact of [start, ...facts]) {
      clock.take(fact);
      containers.fold(fact);
      feed.take(fact);
    }
    const labels: Readonly<Record<string, string>> = { stop: 'unlisten', killed: 'exit' };
    const lines = readFileSync(expectedOutput('compact'), 'utf8')
      .match(LINE)!
      .map((line) => {
        const [, container, pid, label] = LINE_PARTS.exec(line)!;
        return `${container} ${pid} ${labels[label!] ?? label}`;
      });
    const events = rows.map(({ container, pid, kind }) => `${container} ${pid} ${kind}`);
    const left = new Map<string, number>();
    for (const event of events) left.set(event, (left.get(event) ?? 0) + 1);
    for (const line of lines) left.set(line, (left.get(line) ?? 0) - 1);
    const other = [...left].filter(([event, count]) => count !== 0 && !event.endsWith('exit'));
    assert.deepEqual(other, []);
  });
});

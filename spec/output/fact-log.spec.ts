import assert from 'node:assert/strict';
import { Subject, tap } from 'rxjs';
import type { Fact, StateSettings } from '../../actors/capture/facts.js';
import { RecordFlag } from '../../actors/capture/layout.js';
import { Slices } from '../../actors/capture/slices.js';
import { createLog } from '../../actors/telemetry/log.js';
import type { Level } from '../../actors/telemetry/line.js';
import { Pipeline } from '../../actors/wiring/pipeline.js';
import { startFact, stateSettings } from '../support/facts.js';
import {
  batch,
  execRecord,
  exitRecord,
  processRecord,
  socketRecord,
  type Socket,
} from '../support/records.js';

const ID = '4f2a91bc03de';
const CGROUP = `/kubepods/${ID}${'0'.repeat(52)}`;
const SECOND = 1e9;

/** A run of facts, and the lines it logs, without their time. */
class Run {
  readonly lines: string[] = [];
  readonly log;
  readonly pipeline: Pipeline;
  readonly #facts = new Subject<Fact>();
  readonly #slices = new Slices();
  #time = 1;

  constructor(level: Level, settings: Partial<StateSettings> = {}) {
    const write = (line: string) =>
      this.lines.push(line.replace(/ \d{4}\/\d\d\/\d\d [\d:]+\]/, ']').trimEnd());
    this.log = createLog({ level, write });
    const all = stateSettings(settings);
    this.pipeline = new Pipeline(all, this.#slices, this.log);
    this.pipeline
      .run(this.#facts, ({ processes, network }) => {
        network.subscribe();
        return processes.pipe(tap(() => undefined));
      })
      .subscribe();
    this.#facts.next(startFact({ settings: all }));
  }

  /** Takes the lines logged since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }

  records(...records: Uint8Array[]): this {
    this.#facts.next({ kind: 'records', time: this.#time++ * SECOND, records: batch(...records) });
    return this;
  }

  scan(of: 'processes' | 'sockets', ...records: Uint8Array[]): this {
    const fact = { kind: 'scan', of, audience: 'same', time: this.#time++ * SECOND } as const;
    this.#facts.next({ ...fact, part: 'first', records: batch() });
    this.#facts.next({ ...fact, part: 'last', records: batch(...records) });
    return this;
  }

  next(fact: Fact): this {
    this.#facts.next(fact);
    return this;
  }

  tick(audience: 'same' | 'none' = 'same'): this {
    this.#facts.next({ kind: 'tick', time: this.#time++ * SECOND, epoch: 0, audience });
    while (this.#slices.run().next().done !== true);
    return this;
  }
}

const exec = (path = '/usr/bin/ls', more = {}) =>
  execRecord({ time: 1, container: ID, pid: 7, path, args: ['ls', 'secret'], cgroupPath: CGROUP, ...more });
const open = (socket: Socket = {}) =>
  socketRecord({
    container: ID,
    pid: 7,
    comm: 'nc',
    role: 'client',
    local: '10.0.0.1',
    localPort: 40_000,
    remote: '10.0.0.9',
    remotePort: 80,
    ...socket,
  });

describe('The log of facts', () => {
  it('says nothing at info, and holds nothing for it', () => {
    const run = new Run('info').records(exec(), open({ remote: '127.0.0.1' })).tick();
    assert.deepEqual(run.take(), []);
    assert.equal(run.pipeline.processes.leftOut, undefined);
  });

  it('follows the level from one fact to the next', () => {
    const run = new Run('info').records(exec());
    run.log.level = 'debug';
    assert.match(run.tick().take().join('\n'), /DEBUG.*Tick in/);
    run.log.level = 'info';
    assert.deepEqual(run.records(exec('/bin/a')).tick().take(), []);
    assert.equal(run.pipeline.processes.leftOut, undefined);
  });

  it('has each container once, with its cgroup and its verdict', () => {
    const run = new Run('debug');
    run.take();
    assert.deepEqual(run.records(exec(), exec()).records(exec()).take(), [
      `[DEBUG  ] Container ${ID} met: its cgroup '${CGROUP}' names it, as the kernel side says`,
    ]);
    const other = { container: 'bbbbbbbbbbbb', cgroupPath: '/user\n.slice' };
    assert.ok(
      run
        .records(exec('/x', other))
        .take()
        .includes(
          "[DEBUG  ] Container bbbbbbbbbbbb met: its cgroup '/user\\n.slice' does not name it, against the kernel side",
        ),
    );
    const cut = { container: 'cccccccccccc', cgroupPath: 'x', flags: RecordFlag.cgroupCut };
    assert.match(
      run.records(exec('/x', cut)).take().join(),
      /is cut, so the verdict of the kernel side stands alone/,
    );
  });

  const ignored = { ignoredNetworks: ['192.168.0.0/16'] };
  const cases: readonly (readonly [string, Partial<StateSettings>, Socket])[] = [
    ['on the loopback', {}, { remote: '127.0.0.1' }],
    ['on the loopback', {}, { type: 'listen', local: '::1', remotePort: 0 }],
    ['in an ignored network', ignored, { remote: '192.168.1.1' }],
    ['on a dropped port', {}, { protocol: 17, remotePort: 9 }],
    ['on a dropped port', {}, { protocol: 17, role: 'server', localPort: 0 }],
    ['of the host', {}, { container: 0 }],
    ['not reported by the settings', { networkDisabled: true }, {}],
    ['not reported by the settings', { endpoints: false }, { type: 'listen', remotePort: 0 }],
  ];
  for (const [reason, settings, socket] of cases)
    it(`says why a socket is left out: ${reason} ${JSON.stringify(socket)}`, () => {
      const run = new Run('debug', settings);
      run.take();
      const { type } = socket;
      const [line, ...others] = run.records(open(socket), open(socket)).records(open(socket)).take();
      assert.ok(
        line?.startsWith(
          `[DEBUG  ] Left out, ${reason}: ${type === 'listen' ? 'listening socket' : 'connection'} of `,
        ),
        line,
      );
      assert.deepEqual(others, [], 'once a key and window');
      run.log.flush();
      assert.match(run.take().join(), /Throttled.*Left out.*2 like it swallowed within 10 s/);
    });

  it('says nothing against what counts', () => {
    const run = new Run('debug');
    run.take();
    assert.deepEqual(run.records(open(), open({ protocol: 17, remotePort: 53 })).take(), []);
  });

  it('has a line for each key, and bounds the keys', () => {
    const run = new Run('debug');
    run.take();
    const far = Array.from({ length: 3000 }, (_, n) => open({ remote: '127.0.0.1', remotePort: 1000 + n }));
    run.records(...far);
    // All of one kind by their numbers: the flood gate of the level holds too.
    assert.equal(run.take().length, 20);
  });

  it('says why a process is left out', () => {
    const run = new Run('debug');
    run.records(...Array.from({ length: 12 }, (_, n) => exec('/bin/sh', { pid: 100 + n, startTime: n + 1 })));
    assert.deepEqual(run.take().slice(-1), [
      `[DEBUG  ] Left out, throttled: process of container ${ID}, pid 110, /bin/sh`,
    ]);
    const listed = { pid: 500, startTime: 5, time: 50, path: '/bin/x', container: ID, cgroupPath: CGROUP };
    run.scan('processes', processRecord(listed)).take();
    assert.deepEqual(run.records(execRecord({ ...listed, time: 40 })).take(), [
      `[DEBUG  ] Left out, reported before: process of container ${ID}, pid 500, /bin/x`,
    ]);
  });

  it('says of a scan what it listed and changed', () => {
    const run = new Run('debug');
    run.records(exec()).take();
    run.pipeline.factLog.scanned('sockets', 0.0123);
    run.scan('sockets', open({ type: 'socket' }), open({ type: 'socket', localPort: 40_001 }));
    run.scan('processes', processRecord({ container: ID, pid: 9, path: '/x', cgroupPath: CGROUP }));
    assert.deepEqual(run.take(), [
      '[DEBUG  ] Scan of sockets in 12.3 ms, audience same: listed 2; connections 0 → 2, listening sockets 0 → 0',
      '[DEBUG  ] Scan of processes, audience same: listed 1; signals 1, processes 1 → 2',
    ]);
  });

  it('says of a tick what it reports, withholds and refuses', () => {
    const run = new Run('debug', { maxConnectionsPerMinute: 4 });
    run.records(exec());
    const many = Array.from({ length: 5 }, (_, n) => open({ remote: '10.0.0.8', remotePort: 1000 + n }));
    run.records(
      ...many,
      socketRecord({ type: 'listen', container: ID, cookie: 1, local: '0.0.0.0', localPort: 8 }),
    );
    run.take();
    const [line, limit] = run.tick().take();
    assert.match(
      line!,
      /DEBUG.*Tick in \d+\.\d ms, audience same: reported connections 2 \(ended 0\), endpoints 1 \(ended 0\);/,
    );
    assert.match(line!, /; tables: processes 1, connections 5, reported_connections 2, listeners 1,/);
    assert.equal(
      limit,
      `[DEBUG  ] Left out, over the rate limit of 2 a report: 3 new connections of container ${ID}`,
    );
    assert.match(run.tick('none').take()[0]!, /audience none: reported connections 0/);
  });

  it('has the work of the BPF programs since the last look', () => {
    const run = new Run('info');
    const row = { program: 'socket_state', events: 5, skipped: 2 };
    const more = { lost: 0, failed: 0, overShare: 0, container: 0, missed: 0, runs: 0, runNs: 0 };
    run.pipeline.factLog.kernel([{ ...row, ...more }]);
    run.log.level = 'debug';
    run.pipeline.factLog.kernel([{ ...row, ...more, skipped: 9 }]);
    assert.match(run.take().join(), /Kernel side: socket_state wrote 0 and left out 7/);
    run.pipeline.factLog.kernel([{ ...row, ...more, skipped: 9 }]);
    assert.deepEqual(run.take(), []);
  });

  it('has what changes from outside', () => {
    const run = new Run('debug');
    run.take();
    const names = {
      namespace: 'shop',
      pod: 'web-1',
      name: 'web',
      image: 'web\u202e',
      podUid: '',
      imageDigest: '',
    };
    run
      .next({ kind: 'config', time: 1, externalIps: 'both', maxConnectionsPerMinute: 7 })
      .next({ kind: 'control', time: 1, networks: new Uint32Array(12) })
      .next({
        kind: 'containers',
        time: 1,
        updated: [{ id: ID, ...names, labels: {} }],
        removed: ['aaaaaaaaaaaa'],
      })
      .next({ kind: 'clock', time: 0, epoch: 1e18 });
    assert.deepEqual(run.take(), [
      '[DEBUG  ] Runtime configuration in force: external IPs both, at most 7 new connections a minute for each container',
      '[DEBUG  ] Lists of Sensor in force: 2 networks, the same public addresses',
      `[DEBUG  ] Container ${ID} is shop/web-1/web, image 'web\\u202e'`,
      '[DEBUG  ] Container aaaaaaaaaaaa was removed by its runtime',
      '[DEBUG  ] The clock was set: it is 2001-09-09T01:46:40.000Z',
    ]);
  });

  it('has at trace a line for each record, without arguments', () => {
    const run = new Run('trace');
    run.take();
    run.records(
      exec('/usr/bin/l\ns', { ppid: 3, uid: 1000 }),
      open(),
      socketRecord({ type: 'listen', container: ID, pid: 7, comm: 'nc', local: '::', localPort: 80 }),
      exitRecord({ container: ID, pid: 7, comm: 'ls', exitCode: 0x200 }),
    );
    const traced = run.take().filter((line) => line.startsWith('[TRACE'));
    assert.deepEqual(traced, [
      `[TRACE  ] Record: exec in container ${ID}, pid 7: /usr/bin/l\\ns, parent 3, uid 1000, 7 bytes of arguments`,
      `[TRACE  ] Record: open in container ${ID}, pid 7: nc, TCP 10.0.0.1:40000 → 10.0.0.9:80`,
      `[TRACE  ] Record: listen in container ${ID}, pid 7: nc, TCP [::]:80`,
      `[TRACE  ] Record: exit in container ${ID}, pid 7: ls, status 2, signal 0`,
    ]);
  });

  it('changes nothing of the output', () => {
    const reports = (level: Level) => {
      const out: unknown[] = [];
      const facts = new Subject<Fact>();
      const slices = new Slices();
      const log = createLog({ level, write: () => undefined });
      new Pipeline(stateSettings(), slices, log)
        .run(facts, ({ processes, network }) => {
          network.subscribe((update) => out.push(update));
          return processes.pipe(tap(({ signals }) => out.push(...signals)));
        })
        .subscribe();
      facts.next(startFact());
      const all = [
        exec(),
        exec('/bin/b'),
        open(),
        open({ remote: '127.0.0.1' }),
        open({ protocol: 17, role: 'unknown' }),
      ];
      facts.next({ kind: 'records', time: 1, records: batch(...all) });
      facts.next({
        kind: 'scan',
        of: 'sockets',
        audience: 'same',
        time: 2,
        records: batch(open({ type: 'socket' })),
      });
      facts.next({ kind: 'tick', time: 3, epoch: 0, audience: 'same' });
      while (slices.run().next().done !== true);
      return out;
    };
    assert.deepEqual(reports('trace'), reports('info'));
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Fact } from '../../actors/capture/facts.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import { allAtOnce } from '../../actors/capture/slices.js';
import { ProcessState } from '../../actors/processes/state.js';
import { ProcessFlag, RecordFlag } from '../../actors/capture/layout.js';
import { startFact } from '../support/facts.js';
import {
  batch,
  containerNumber,
  execRecord,
  exitRecord,
  processRecord,
  type Process,
} from '../support/records.js';

const ID = '4f2a91bc03de';
const EPOCH = 1_700_000_000_000_000_000;
const start = startFact({ epoch: EPOCH });
const ls: Process = {
  container: ID,
  pid: 10,
  startTime: 5000,
  time: 9000,
  uid: 1000,
  gid: 100,
  comm: 'ls',
  path: '/bin/ls',
  args: ['ls', '-l'],
  lineage: [{ pid: 1, uid: 0, path: '/bin/sh' }],
};

function records(...bytes: readonly Uint8Array[]): Fact {
  return { kind: 'records', time: 1, records: batch(...bytes) };
}

/** A scan for somebody who knows of no process. */
function afresh(...bytes: readonly Uint8Array[]): Fact {
  return { ...scan(...bytes), audience: 'fresh' } as Fact;
}

function scan(...bytes: readonly Uint8Array[]): Fact {
  return { kind: 'scan', of: 'processes', audience: 'same', time: 1, records: batch(...bytes) };
}

function fold(facts: readonly Fact[], capacity = 100): { signals: ProcessSignal[]; state: ProcessState } {
  const state = new ProcessState(capacity);
  return { signals: [start, ...facts].flatMap((fact) => state.fold(fact)), state };
}

/** What a signal is about, without what numbers it. */
function gist({ name, args, scraped }: ProcessSignal): string {
  return `${scraped ? 'found' : 'exec'} ${name} ${args}`;
}

describe('process signals', () => {
  it('tell of an exec all that the record has', () => {
    const { signals } = fold([records(execRecord({ pid: 1, comm: 'init' }), execRecord(ls))]);
    const { record, id, ...rest } = signals[1]!;
    assert.deepEqual(rest, {
      container: containerNumber(ID),
      sharer: containerNumber(ID),
      time: EPOCH / 1000 + 9,
      name: 'ls',
      path: '/bin/ls',
      args: '-l',
      pid: 10,
      uid: 1000,
      gid: 100,
      scraped: false,
      lineage: [{ pid: 1, uid: 0, path: '/bin/sh' }],
    });
    assert.equal(record, execRecord({ pid: 1, comm: 'init' }).length);
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('tell of a process that was running when it started', () => {
    const [signal] = fold([scan(processRecord(ls))]).signals;
    assert.deepEqual([signal?.scraped, signal?.time], [true, EPOCH / 1000 + 5]);
  });

  it('name a process by its path when it has no name', () => {
    assert.equal(fold([records(execRecord({ ...ls, comm: '' }))]).signals[0]?.name, '/bin/ls');
  });

  it('tell of every exec, also of the same program in the same process', () => {
    const facts = [records(execRecord(ls), execRecord({ ...ls, time: 9500 }))];
    assert.deepEqual(fold(facts).signals.map(gist), ['exec ls -l', 'exec ls -l']);
  });

  const seen = processRecord({ ...ls, time: 20_000 });
  const tables: readonly (readonly [string, readonly Fact[], readonly string[]])[] = [
    ['of a process found twice once', [scan(seen), scan(seen)], ['found ls -l']],
    [
      'of a process found twice to whoever is new',
      [scan(seen), afresh(seen), scan(seen)],
      ['found ls -l', 'found ls -l'],
    ],
    [
      'of a process that was found while nobody listened to whoever comes',
      [{ ...scan(seen), audience: 'none' } as Fact, scan(seen), scan(seen)],
      ['found ls -l'],
    ],
    [
      'of a process that was found while nobody listened, and whose exec comes late',
      [{ ...scan(seen), audience: 'none' } as Fact, records(execRecord(ls))],
      ['exec ls -l'],
    ],
    [
      'of one that started before to whoever is new, and not of its late exec again',
      [afresh(seen), records(execRecord(ls))],
      ['found ls -l'],
    ],
    ['of one that started and was found once', [records(execRecord(ls)), scan(seen)], ['exec ls -l']],
    [
      'of one that came into the container once',
      [
        records(processRecord({ ...ls, execId: 3, flags: ProcessFlag.arrived })),
        records(processRecord({ ...ls, execId: 3, flags: ProcessFlag.arrived })),
        scan(processRecord({ ...ls, execId: 3 })),
      ],
      ['found ls -l'],
    ],
    [
      'of nothing when a scan finds a helper of the host',
      [scan(processRecord({ ...ls, flags: ProcessFlag.helper }))],
      [],
    ],
    [
      'of one that only looks like a helper, since it started before',
      [
        records(execRecord({ ...ls, execId: 3 })),
        afresh(processRecord({ ...ls, execId: 3, flags: ProcessFlag.helper })),
      ],
      ['exec ls -l', 'found ls -l'],
    ],
    [
      'of one that has written over its arguments and its name once, and to whoever is new as it was',
      [
        records(execRecord({ ...ls, execId: 3 })),
        scan(processRecord({ ...ls, execId: 3, time: 20_000, comm: 'forged', args: ['ls', '-forged'] })),
        afresh(processRecord({ ...ls, execId: 3, time: 30_000, comm: 'forged', args: ['forged'] })),
      ],
      ['exec ls -l', 'found ls -l'],
    ],
    [
      'of the same program with other arguments whose exec was lost',
      [
        records(execRecord({ ...ls, execId: 3 })),
        scan(processRecord({ ...ls, execId: 4, time: 20_000, args: ['ls', '-a'] })),
      ],
      ['exec ls -l', 'found ls -a'],
    ],
    [
      'of one that was moved into another container again',
      [
        records(execRecord({ ...ls, execId: 3 })),
        scan(processRecord({ ...ls, execId: 3, time: 20_000, container: 'bbbbbbbbbbbb' })),
      ],
      ['exec ls -l', 'found ls -l'],
    ],
    [
      'of one that was found before its exec was read once',
      [scan(seen), records(execRecord(ls))],
      ['found ls -l'],
    ],
    [
      'of an exec after the scan',
      [scan(seen), records(execRecord({ ...ls, time: 30_000 }))],
      ['found ls -l', 'exec ls -l'],
    ],
    [
      'of the exec of another program that the scan came too late for',
      [scan(seen), records(execRecord({ ...ls, comm: 'sh', path: '/bin/sh', args: ['sh'] }), execRecord(ls))],
      ['found ls -l', 'exec sh ', 'exec ls -l'],
    ],
    ['of nothing when a process only listens', [records(seen)], []],
    ['of a process that listened before the scan found it', [records(seen), scan(seen)], ['found ls -l']],
    [
      'of one that started, listened and was found once',
      [records(execRecord(ls), seen), scan(seen)],
      ['exec ls -l'],
    ],
    [
      'of a process once although the scan could not read its arguments',
      [records(execRecord(ls)), scan(processRecord({ ...ls, args: [], flags: RecordFlag.argsLost }))],
      ['exec ls -l'],
    ],
    [
      'of a process that has the pid of one that ended',
      [
        scan(seen),
        records(exitRecord({ pid: 10, startTime: 5000 })),
        scan(processRecord({ ...ls, startTime: 6000 })),
      ],
      ['found ls -l', 'found ls -l'],
    ],
    [
      'of a process that has the pid of one whose end was missed',
      [scan(seen), scan(processRecord({ ...ls, startTime: 6000 }))],
      ['found ls -l', 'found ls -l'],
    ],
  ];
  for (const [what, facts, expected] of tables) {
    it(`tell ${what}`, () => assert.deepEqual(fold(facts).signals.map(gist), expected));
  }

  const later = { time: 2, epoch: EPOCH + 3_600_000_000_000 };
  for (const fact of [
    { kind: 'tick', ...later, audience: 'same' },
    { kind: 'clock', ...later },
  ] as const satisfies Fact[]) {
    it(`carry the wall clock of the latest ${fact.kind}`, () => {
      const times = fold([records(execRecord(ls)), fact, records(execRecord(ls))]).signals.map(
        ({ time }) => time,
      );
      assert.equal(times[1]! - times[0]!, 3_600_000_000);
    });
  }

  it('have ids that never repeat, and are the same when the facts are folded again', () => {
    const facts = [
      records(
        ...Array.from({ length: 1000 }, (_, pid) => execRecord({ ...ls, pid, args: ['ls', `${pid}`] })),
      ),
    ];
    const ids = fold(facts).signals.map(({ id }) => id);
    assert.equal(new Set(ids).size, 1000);
    assert.deepEqual(
      fold(facts).signals.map(({ id }) => id),
      ids,
    );
  });
});

describe('process signals that repeat', () => {
  const many = (make: (process: Process) => Uint8Array, from = 0) =>
    Array.from({ length: 12 }, (_, i) => make({ ...ls, pid: from + i + 100, startTime: 5000 + i }));

  it('are told ten times, and those held back are counted', () => {
    const { signals, state } = fold([records(...many(execRecord))]);
    assert.equal(signals.length, 10);
    assert.equal(state.counts.throttled, 2);
    // They are known all the same.
    assert.equal(state.counts.processes, 12);
    assert.notEqual(state.originatorId(containerNumber(ID), 111), 0);
  });

  it('are all told to somebody who watches', () => {
    const state = new ProcessState(100, false);
    state.fold(start);
    assert.equal(state.fold(records(...many(execRecord))).length, 12);
    assert.equal(state.counts.throttled, 0);
  });

  it('are all told of processes that were there before, and to whoever is new', () => {
    const { signals } = fold([scan(...many(processRecord)), afresh(...many(processRecord))]);
    assert.equal(signals.length, 24);
  });

  it('are told ten times of processes that only a later scan has found', () => {
    const { signals } = fold([
      scan(),
      scan(...many(processRecord)),
      scan(...many(processRecord)),
      scan(...many(processRecord, 50)),
    ]);
    assert.equal(signals.length, 10);
  });

  it('are not told again by a scan after the throttle has held them back', () => {
    const { signals } = fold([scan(), records(...many(execRecord)), scan(...many(processRecord))]);
    assert.deepEqual(new Set(signals.map(gist)), new Set(['exec ls -l']));
    assert.equal(signals.length, 10);
  });
});

describe('a process whose start is known only to the tick', () => {
  const exact: Process = { ...ls, startTime: 1_234_567_891 };
  const rounded: Process = { ...exact, startTime: 1_230_000_000 };

  it('is the one that was seen to start', () => {
    const { signals } = fold([records(execRecord(exact)), scan(processRecord({ ...rounded, time: 9500 }))]);
    assert.deepEqual(signals.map(gist), ['exec ls -l']);
  });

  it('is the one whose exec comes late', () => {
    const { signals } = fold([scan(processRecord({ ...rounded, time: 9500 })), records(execRecord(exact))]);
    assert.deepEqual(signals.map(gist), ['found ls -l']);
  });

  it('is told only to whoever is new when it is found again with its exact start', () => {
    const found = processRecord(rounded);
    const { signals } = fold([scan(found), scan(processRecord(exact)), scan(found), afresh(found)]);
    assert.deepEqual(signals.map(gist), ['found ls -l', 'found ls -l']);
  });

  it('is forgotten when it ends', () => {
    const { state } = fold([
      scan(processRecord(rounded)),
      records(exitRecord({ pid: 10, startTime: exact.startTime! })),
      records(),
    ]);
    assert.equal(state.counts.processes, 0);
  });

  it('is not the one that had its pid a tick ago', () => {
    const before = { ...exact, startTime: 1_229_999_999 };
    const { signals, state } = fold([
      records(execRecord(before)),
      scan(processRecord({ ...rounded, time: 9500 })),
      records(exitRecord({ pid: 10, startTime: before.startTime })),
      records(),
    ]);
    assert.deepEqual(signals.map(gist), ['exec ls -l', 'found ls -l']);
    assert.equal(state.counts.processes, 1);
  });
});

describe('the process table', () => {
  const container = containerNumber(ID);

  it('knows who listens as long as the process runs', () => {
    const { state } = fold([records(execRecord(ls))]);
    const id = state.originatorId(container, 10);
    assert.deepEqual(state.originator(id), { name: 'ls', path: '/bin/ls', args: '-l' });
    // Whoever folds the same fact next still knows it: its listening socket may be in there too.
    state.fold(records(exitRecord({ pid: 10, startTime: 5000 })));
    assert.equal(state.originatorId(container, 10), id);
    state.fold(records());
    assert.equal(state.originatorId(container, 10), 0);
    assert.equal(state.originator(id).name, 'ls');
  });

  it('knows who listens although it has only forked', () => {
    const { state } = fold([records(execRecord(ls), processRecord({ ...ls, pid: 11, startTime: 8000 }))]);
    assert.equal(state.originatorId(container, 11), state.originatorId(container, 10));
  });

  it('gives equal processes the same number, whatever their pids, and others another', () => {
    const { state } = fold([
      records(execRecord(ls), execRecord({ ...ls, pid: 11 }), execRecord({ ...ls, pid: 12, args: ['ls'] })),
    ]);
    const numbers = [10, 11, 12].map((pid) => state.originatorId(container, pid));
    assert.equal(numbers[0], numbers[1]);
    assert.notEqual(numbers[0], numbers[2]);
  });

  it('lends no identity across containers or to a pid that is used again', () => {
    const { state } = fold([records(execRecord(ls))]);
    assert.equal(state.originatorId(containerNumber('aaaaaaaaaaaa'), 10), 0);
    state.fold(
      records(execRecord({ ...ls, startTime: 7000, comm: 'cat' }), exitRecord({ pid: 10, startTime: 5000 })),
    );
    assert.equal(state.originator(state.originatorId(container, 10)).name, 'cat');
  });

  const told = { ...ls, image: 77, execId: 1, args: ['ls', 'as', 'told'] };
  const renamed = { ...told, comm: 'renamed', args: ['a title'] };

  it('keeps the identity of its signal for a process that calls itself something else when it listens', () => {
    const { state } = fold([records(execRecord(told)), records(processRecord(renamed))]);
    const { name, args } = state.originator(state.originatorId(container, 10, 5000, 77));
    assert.deepEqual([name, args], ['ls', 'as told']);
  });

  it('knows a process that was only forked by what its forebear executed, even when that has ended', () => {
    const fork = { ...renamed, pid: 12, ppid: 1, startTime: 9000 };
    const exit = exitRecord({ pid: 10, startTime: 5000 });
    const { state } = fold([records(execRecord(told)), records(exit), records(processRecord(fork))]);
    const known = state.originatorId(container, 12, 9000, 77);
    const { name, args } = state.originator(known);
    assert.deepEqual([name, args], ['ls', 'as told']);
    // One that nothing told of yet, which a scan of sockets names by its image.
    assert.equal(state.originatorId(container, 13, 9500, 77), known);
    assert.equal(state.originatorId(container, 13, 9500, 78), 0);
  });

  it('knows a fork by its nearest ancestor with the same file where no image is known', () => {
    const fork = { ...renamed, image: 0, pid: 12, ppid: 10, startTime: 9000 };
    const { state } = fold([records(execRecord({ ...told, image: 0 })), records(processRecord(fork))]);
    assert.equal(state.originator(state.originatorId(container, 12)).args, 'as told');
  });

  it('does not know a process by what it executed before, while its exec is not read yet', () => {
    const { state } = fold([records(execRecord(told))]);
    assert.equal(state.originatorId(container, 10, 5000, 78), 0);
    state.fold(records(execRecord({ ...told, image: 78, execId: 2, comm: 'cat' })));
    assert.equal(state.originator(state.originatorId(container, 10, 5000, 78)).name, 'cat');
  });

  it('takes the record for who listens when the exec before was lost', () => {
    const { state } = fold([
      records(execRecord(told)),
      records(processRecord({ ...renamed, image: 78, execId: 2 })),
    ]);
    assert.equal(state.originator(state.originatorId(container, 10)).name, 'renamed');
  });

  it('never has more entries than it may, and counts what it forgets', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(20), fc.boolean())),
        fc.integer({ min: 1, max: 8 }),
        (steps, capacity) => {
          const known = new Set<number>();
          const facts = steps.map(([pid, exits]) => {
            if (exits) known.delete(pid);
            else known.add(pid);
            return records(
              exits ? exitRecord({ pid, startTime: 1 }) : execRecord({ ...ls, pid, startTime: 1 }),
            );
          });
          const { state } = fold([...facts, records()], capacity);
          assert.ok(state.counts.processes <= capacity);
          assert.ok(state.counts.processes + state.counts.evicted >= known.size);
          if (known.size <= capacity && state.counts.evicted === 0)
            assert.equal(state.counts.processes, known.size);
        },
      ),
    );
  });

  it('keeps a bounded amount of who listens, and counts whom it has no room for', () => {
    const state = new ProcessState(10_000);
    state.fold(start);
    let told = 0;
    for (let pid = 1; pid <= 2000; pid++) {
      state.fold(
        records(processRecord({ ...ls, pid, image: pid, args: ['ls', `${pid} `.padEnd(4000, 'x')] })),
      );
      if (state.originatorId(container, pid) !== 0) told++;
    }
    assert.ok(told > 500 && told < 1200, `${told}`);
    assert.equal(told + state.counts.nameless, 2000);
    // Who is known stays known.
    const first = state.originatorId(container, 1);
    assert.notEqual(first, 0);
    // There is room again once nobody asks for the others any more.
    assert.equal(state.isShortOfOriginators, true);
    allAtOnce(state.keepOriginators(new Set([first])));
    assert.equal(state.isShortOfOriginators, false);
    const last = state.originatorId(container, 2000);
    assert.match(state.originator(last).args, /^2000 /);
    assert.notEqual(last, first);
    assert.match(state.originator(first).args, /^1 /);
  });

  it('is short of room for who listens when half of what was left the last time is taken', () => {
    const state = new ProcessState(10_000);
    state.fold(start);
    let pid = 0;
    /** Adds processes until there is little room; their numbers. */
    const fill = () => {
      const used = new Set<number>();
      while (!state.isShortOfOriginators) {
        // Of several containers: one alone may not take so much.
        const id = String(++pid % 8).padStart(12, '0');
        const args = ['ls', `${pid} `.padEnd(4000, 'x')];
        state.fold(records(processRecord({ ...ls, container: id, pid, image: pid, args })));
        used.add(state.originatorId(containerNumber(id), pid));
      }
      return used;
    };
    const all = fill();
    allAtOnce(state.keepOriginators(all));
    // All of them are in use, so that to look again at once would be in vain.
    assert.equal(state.isShortOfOriginators, false);
    const more = fill();
    assert.ok(Math.abs(more.size - all.size / 2) <= 2, `${more.size} after ${all.size}`);
    allAtOnce(state.keepOriginators(new Set()));
    assert.ok(Math.abs(fill().size - all.size) <= 2);
    assert.equal(state.counts.nameless, 0);
  });

  it('forgets first what was told of longest ago', () => {
    const at = (pid: number) => execRecord({ ...ls, pid });
    const { state } = fold([records(at(1), at(2), at(1), at(3))], 2);
    assert.deepEqual(
      [1, 2, 3].map((pid) => state.originatorId(container, pid) !== 0),
      [true, false, true],
    );
  });

  it('gives room to each container when one starts processes without end, and forgets the oldest of that one', () => {
    const other = containerNumber('bbbbbbbbbbbb');
    const { state } = fold([records(execRecord({ ...ls, container: 'bbbbbbbbbbbb', pid: 7 }))], 64);
    for (let pid = 100; pid < 1000; pid++) state.fold(records(execRecord({ ...ls, pid })));
    assert.equal(state.counts.processes, 64);
    assert.notEqual(state.originatorId(other, 7), 0);
    assert.equal(state.originatorId(container, 900), 0);
    assert.notEqual(state.originatorId(container, 999), 0);
    assert.deepEqual(
      state.takeRefusals().map(({ of, container: whose }) => [of, whose]),
      [['processes', container]],
    );
  });

  it('keeps a bounded amount of text, the latest, and that of others', () => {
    const other = containerNumber('bbbbbbbbbbbb');
    const state = new ProcessState(32_768);
    state.fold(start);
    state.fold(records(execRecord({ ...ls, container: 'bbbbbbbbbbbb', pid: 7 })));
    const long = (pid: number) => ({ ...ls, pid, args: ['ls', `${pid} `.padEnd(4090, 'x')] });
    for (let pid = 100; pid < 20_100; pid++) state.fold(records(execRecord(long(pid))));
    assert.ok(state.counts.text <= 8 * 1024 * 1024, `${state.counts.text}`);
    assert.equal(state.counts.processes, 20_001);
    assert.notEqual(state.originatorId(other, 7), 0);
    assert.notEqual(state.originatorId(container, 20_099), 0);
    assert.equal(state.originatorId(container, 100), 0);
    assert.equal(state.counts.nameless, 1);
    assert.deepEqual(
      state.takeRefusals().map(({ of, container: whose }) => [of, whose]),
      [['the arguments of processes', container]],
    );
    // None is told again by a scan, but for the one that has other arguments now.
    const scanned = [100, 101, 20_099].map((pid) => processRecord(long(pid)));
    assert.deepEqual(state.fold(scan(...scanned)), []);
    const changed = processRecord({ ...long(102), args: ['ls', '102 '.padEnd(4090, 'y')] });
    assert.equal(state.fold(scan(changed)).length, 1);
  });

  it('lets one container have half of the room for names at most, and leaves half of the rest to each other', () => {
    const state = new ProcessState(32_768);
    state.fold(start);
    const named = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'].map((id, index) => {
      let named = 0;
      for (let pid = 1 + index * 3000; pid <= 3000 * (index + 1); pid++) {
        const args = ['ls', `${pid} `.padEnd(4000, 'x')];
        state.fold(records(processRecord({ ...ls, container: id, pid, image: pid, args })));
        if (state.originatorId(containerNumber(id), pid) !== 0) named++;
      }
      return named;
    });
    assert.ok(named[0]! > 900 && named[0]! < 1100, String(named));
    assert.ok(
      Math.abs(named[1]! - named[0]! / 2) < 3 && Math.abs(named[2]! - named[1]! / 2) < 3,
      String(named),
    );
    assert.equal(state.isShortOfOriginators, true);
  });
});

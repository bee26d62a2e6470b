import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Audience, Fact, ScanFact } from '../../actors/capture/facts.js';
import { RecordFlag } from '../../actors/capture/layout.js';
import { ProcessState } from '../../actors/processes/state.js';
import { startFact } from '../support/facts.js';
import { batch, execRecord, exitRecord, processRecord, type Process } from '../support/records.js';

const EMPTY: readonly Uint8Array[] = [];
const shell: Process = { pid: 10, startTime: 5000, comm: 'sh', path: '/bin/sh', args: ['sh', '-c', 'true'] };

function records(...bytes: readonly Uint8Array[]): Fact {
  return { kind: 'records', time: 1, records: batch(...bytes) };
}

function part(which: ScanFact['part'], bytes = EMPTY, audience: Audience = 'same'): Fact {
  return { kind: 'scan', of: 'processes', part: which!, audience, time: 1, records: batch(...bytes) };
}

const first = (audience: Audience = 'same') => part('first', EMPTY, audience);
const last = (audience: Audience = 'same') => part('last', EMPTY, audience);
const found = (process: Process, audience: Audience = 'same') =>
  part('next', [processRecord({ ...shell, ...process })], audience);
const lost = { args: [], flags: RecordFlag.argsLost };
const exec = (process: Process) => records(execRecord({ ...shell, ...process }));
const exit = (process: Process) => records(exitRecord({ pid: 10, startTime: 5000, ...process }));

/** What is told, and who is remembered behind it. */
function told(...facts: readonly Fact[]): string[] {
  const state = new ProcessState(100);
  const signals = [startFact(), ...facts].flatMap((fact) => state.fold(fact));
  const lines = signals.map(({ name, args, scraped }) => `${scraped ? 'found' : 'exec'} ${name} ${args}`);
  state.fold(records());
  return [...lines, `${state.counts.processes} remembered`];
}

describe('a scan of processes in parts', () => {
  const cases: readonly (readonly [string, readonly Fact[], readonly string[]])[] = [
    [
      'tells what each part lists',
      [first(), found({}), found({ pid: 11 }), last()],
      ['found sh -c true', 'found sh -c true', '2 remembered'],
    ],
    [
      'leaves out what has run another program since it was listed',
      [first(), exec({ time: 900, comm: 'ls', args: ['ls', '-l'] }), found({ time: 500 }), last()],
      ['exec ls -l', '1 remembered'],
    ],
    [
      'does not bring back what was told and has ended since',
      [exec({ time: 100 }), first(), exit({ time: 900 }), found({ time: 500 }), last()],
      ['exec sh -c true', '0 remembered'],
    ],
    [
      'tells what was never told and has ended since, but does not remember it',
      [first(), exit({ time: 900 }), found({ time: 500 }), last()],
      ['found sh -c true', '0 remembered'],
    ],
    [
      'tells nobody fresh of what has ended',
      [first('fresh'), exit({ time: 900 }), found({ time: 500 }, 'fresh'), last('fresh')],
      ['0 remembered'],
    ],
    [
      'leaves out a process whose pid is another one now',
      [
        first(),
        exit({ time: 900 }),
        exec({ startTime: 5950, time: 960, args: ['sh', 'new'] }),
        found({ time: 500 }),
        last(),
      ],
      ['exec sh new', '1 remembered'],
    ],
    [
      'takes another process of the pid than the one that ended for what it is',
      [first(), exit({ time: 900 }), found({ startTime: 5950, time: 970 }), last()],
      ['found sh -c true', '1 remembered'],
    ],
    [
      'is given up for another one, which knows of the exits from then on',
      [first(), first('fresh'), exit({ time: 900 }), found({ time: 500 }, 'fresh'), last('fresh')],
      ['0 remembered'],
    ],
    [
      'that was given up in the middle changes nothing for the next',
      [first(), found({}), first('fresh'), found({ time: 10 }, 'fresh'), last('fresh')],
      ['found sh -c true', 'found sh -c true', '1 remembered'],
    ],
    [
      'lets nobody hear what nobody listens to, and tells the next audience',
      [first('none'), found({}, 'none'), last('none'), first('fresh'), found({}, 'fresh'), last('fresh')],
      ['found sh -c true', '1 remembered'],
    ],
    [
      'keeps the arguments of the exec that was seen, whatever the process has written over them',
      [
        exec({ time: 100 }),
        first('fresh'),
        found({ time: 500, args: ['sh', 'a title'] }, 'fresh'),
        last('fresh'),
      ],
      ['exec sh -c true', 'found sh -c true', '1 remembered'],
    ],
    [
      'keeps the arguments that it has read before, where nobody reads them again',
      [first(), found({}), last(), first('fresh'), found({ time: 9, ...lost }, 'fresh'), last('fresh')],
      ['found sh -c true', 'found sh -c true', '1 remembered'],
    ],
    [
      'takes arguments that could not be read before, and tells nothing anew for that',
      [
        first(),
        found(lost),
        last(),
        first(),
        found({ time: 9 }),
        last(),
        first('fresh'),
        found({ time: 99, ...lost }, 'fresh'),
      ],
      ['found sh ', 'found sh -c true', '1 remembered'],
    ],
  ];
  for (const [title, facts, expected] of cases) it(title, () => assert.deepEqual(told(...facts), expected));

  it('knows whose arguments nobody has to read: those of an exec, or of an earlier scan, of the same file', () => {
    const state = new ProcessState(100);
    const knows = (process: Process) => {
      const listing = batch(processRecord({ ...shell, time: 2000, ...process, ...lost }));
      return state.knowsArguments(listing, 0);
    };
    for (const fact of [
      startFact(),
      exec({ time: 100 }),
      first(),
      found({ pid: 11 }),
      found({ pid: 12, ...lost }),
    ])
      state.fold(fact);
    assert.deepEqual(
      [knows({}), knows({ pid: 11 }), knows({ pid: 12 }), knows({ pid: 13 })],
      [true, true, false, false],
    );
    assert.equal(knows({ startTime: 6000 }), false);
    assert.equal(knows({ path: '/bin/ls' }), false);
  });

  it('tells each process once, remembers those that live, and no other, whatever happens between its parts', () => {
    // Some processes run when the scan begins; then events and parts come in any order that times allow.
    const process = fc.record({
      isListed: fc.boolean(),
      listed: fc.integer({ min: 100, max: 199 }),
      exec: fc.option(fc.integer({ min: 100, max: 399 }), { nil: undefined }),
      exit: fc.option(fc.integer({ min: 100, max: 399 }), { nil: undefined }),
      delay: fc.integer({ min: 0, max: 200 }),
    });
    fc.assert(
      fc.property(fc.array(process, { maxLength: 20 }), (processes) => {
        const happenings: { time: number; fact: Fact }[] = [];
        const alive = new Set<number>();
        const known = new Set<number>();
        processes.forEach(({ isListed, listed, exec: executes, exit: ends, delay }, pid) => {
          const isThere = isListed && (ends === undefined || ends > listed);
          const runs = executes !== undefined && (ends === undefined || ends > executes);
          if (runs) happenings.push({ time: executes, fact: exec({ pid, time: executes, comm: `p${pid}` }) });
          if (ends !== undefined) happenings.push({ time: ends, fact: exit({ pid, time: ends }) });
          if (isThere)
            happenings.push({ time: listed + delay, fact: found({ pid, time: listed, comm: `p${pid}` }) });
          if (isThere || runs) known.add(pid);
          if (ends === undefined && (isThere || runs)) alive.add(pid);
        });
        happenings.sort((a, b) => a.time - b.time);
        const state = new ProcessState(100);
        const signals = [
          startFact(),
          first(),
          ...happenings.map(({ fact }) => fact),
          last(),
          records(),
        ].flatMap((fact) => state.fold(fact));
        const pids = signals.map(({ pid }) => pid);
        // A process may be found, and be seen to exec later: then both are told.
        for (const pid of known) assert.ok(pids.includes(pid), `${pid} is told`);
        const scraped = signals.filter(({ scraped }) => scraped).map(({ pid }) => pid);
        assert.equal(new Set(scraped).size, scraped.length, 'each is found once');
        assert.equal(state.counts.processes, alive.size, 'who lives is remembered');
      }),
    );
  });

  it('needs no more memory for the exits of a long scan than its parts do', () => {
    const state = new ProcessState(10);
    state.fold(startFact());
    state.fold(first());
    const SECOND = 1e9;
    for (let second = 1; second < 200; second++) {
      const exits = Array.from({ length: 1000 }, (_, i) =>
        exitRecord({ pid: second * 1000 + i, startTime: 5, time: second * SECOND }),
      );
      state.fold(records(...exits));
      state.fold(found({ pid: 1, startTime: 7, time: second * SECOND }));
      assert.ok(state.counts.exits <= 3000, String(state.counts.exits));
    }
    for (let i = 0; i < 100; i++)
      state.fold(
        records(
          ...Array.from({ length: 1000 }, (_, j) => exitRecord({ pid: i * 1000 + j, time: 300 * SECOND })),
        ),
      );
    assert.equal(state.counts.exits, 65_536);
    state.fold(last());
    assert.equal(state.counts.exits, 0);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RecordFlag } from '../../actors/capture/layout.js';
import type { Socket } from '../support/records.js';
import { specifiedAfterglow, specifiedChanges, type Status } from './oracle.js';
import { Story, client, listener, server } from './support.js';

/** A socket, and its reported form; undefined if it must not be reported. */
interface Subject {
  socket: Socket;
  shown: string | undefined;
}

const EXTERNAL = '255.255.255.255';
const CONNECTIONS: Subject[] = [
  { socket: client(), shown: '1 client nothing - 10.0.0.9 :80' },
  { socket: client({ localPort: 40001 }), shown: '1 client nothing - 10.0.0.9 :80' },
  { socket: client({ container: 2 }), shown: '2 client nothing - 10.0.0.9 :80' },
  { socket: client({ remote: '203.0.113.7' }), shown: `1 client nothing - ${EXTERNAL} :80` },
  { socket: client({ remote: '198.51.100.7' }), shown: `1 client nothing - ${EXTERNAL} :80` },
  { socket: server(), shown: '1 server :8080 - 10.0.0.9' },
  { socket: server({ remotePort: 50001 }), shown: '1 server :8080 - 10.0.0.9' },
  {
    socket: server({ local: 'fd00::1', remote: '::ffff:10.0.0.9' }),
    shown: '1 server :8080 - ::ffff:10.0.0.9',
  },
  { socket: client({ protocol: 17, remotePort: 53 }), shown: '1 client nothing - 10.0.0.9 :53' },
  { socket: server({ protocol: 17, localPort: 53, remotePort: 40000 }), shown: '1 server :53 - 10.0.0.9' },
  { socket: client({ protocol: 17, remotePort: 9 }), shown: undefined },
  { socket: client({ remote: '127.0.0.1' }), shown: undefined },
  { socket: client({ remote: '169.254.0.1' }), shown: undefined },
  { socket: client({ container: 0 }), shown: undefined },
];
const LISTENERS: Subject[] = [
  { socket: listener(), shown: '1 0.0.0.0 in 0.0.0.0/32 :8080 by 7' },
  { socket: listener({ cookie: 101, local: '10.0.0.1' }), shown: '1 0.0.0.0 in 0.0.0.0/32 :8080 by 7' },
  { socket: listener({ cookie: 102, pid: 8 }), shown: '1 0.0.0.0 in 0.0.0.0/32 :8080 by 8' },
  { socket: listener({ cookie: 103, local: '::' }), shown: '1 :: in ::/128 :8080 by 7' },
  { socket: listener({ cookie: 104, container: 0 }), shown: undefined },
];
const SUBJECTS = [...CONNECTIONS, ...LISTENERS];

/** An event between two ticks; `when` is a fraction of the time between them. */
type HistoryEvent =
  | { kind: 'event'; subject: number; opens: boolean; when: number }
  | { kind: 'scan'; listed: number[]; afterLoss: boolean; when: number };

/** Events in the order of reading, possibly another order than by time. */
type History = HistoryEvent[][];

const TICK = 30;
const when = fc.integer({ min: 1, max: 980 }).map((part) => part / 1000);
const subject = fc.nat(SUBJECTS.length - 1);
const historyEvent: fc.Arbitrary<HistoryEvent> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('event' as const), subject, opens: fc.boolean(), when }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      listed: fc.uniqueArray(subject),
      afterLoss: fc.boolean(),
      when,
    }),
  },
);
const history: fc.Arbitrary<History> = fc
  .array(fc.array(historyEvent, { maxLength: 12 }), { minLength: 1, maxLength: 8 })
  .map((intervals) => intervals.map((interval) => scansInOrder(interval)));
const period = fc.constantFrom(0, 10, 40, 70);

describe('any history of opens, closes and scans', () => {
  it('gives the deltas that the specification gives', () => {
    fc.assert(
      fc.property(history, period, (history, afterglowPeriod) => {
        const story = storyOf(afterglowPeriod);
        const connections = new Oracle(CONNECTIONS, afterglowPeriod);
        const endpoints = new Oracle(LISTENERS, 0);
        history.forEach((interval, index) => {
          for (const [at, one] of interval.entries()) {
            const time = timeOf(index, at, one);
            apply(story, one, time);
            for (const oracle of [connections, endpoints]) oracle.apply(one, time);
          }
          const now = (index + 1) * TICK;
          const changes = story.tick(now);
          assert.deepEqual(changes.connections, connections.tick(now));
          assert.deepEqual(changes.endpoints, endpoints.tick(now));
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same deltas, in the same order, when it is replayed', () => {
    fc.assert(
      fc.property(history, period, fc.integer(), (history, afterglowPeriod, seed) => {
        const run = () => {
          const story = storyOf(afterglowPeriod, seed);
          return history.map((interval, index) => {
            for (const [at, one] of interval.entries()) apply(story, one, timeOf(index, at, one));
            return story.delta((index + 1) * TICK);
          });
        };
        assert.deepEqual(run(), run());
      }),
    );
  });

  it('gives the same deltas, in the same order, however ticks are sliced and scans are parted', () => {
    fc.assert(
      fc.property(history, period, fc.integer({ min: 1, max: 9 }), (history, afterglowPeriod, slice) => {
        const [once, sliced] = [storyOf(afterglowPeriod), storyOf(afterglowPeriod, 1, slice)];
        history.forEach((interval, index) => {
          for (const [at, one] of interval.entries()) {
            const time = timeOf(index, at, one);
            apply(once, one, time);
            if (one.kind === 'event') apply(sliced, one, time);
            else sliced.scanInParts(time, slice, socketsOf(one.listed), one.afterLoss);
          }
          const audience = index % 4 === 3 ? 'fresh' : 'same';
          assert.deepEqual(
            sliced.delta((index + 1) * TICK, audience),
            once.delta((index + 1) * TICK, audience),
          );
        });
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same deltas in whatever order events are read, before the scan or after', () => {
    fc.assert(
      fc.property(history, period, fc.infiniteStream(fc.nat()), (history, afterglowPeriod, random) => {
        const [story, shuffled] = [storyOf(afterglowPeriod), storyOf(afterglowPeriod)];
        history.forEach((interval, index) => {
          const facts = interval.map((one, at) => ({ one, time: timeOf(index, at, one) }));
          for (const { one, time } of facts) apply(story, one, time);
          const order = facts.map((fact) => ({ fact, rank: random.next().value as number }));
          order.sort((a, b) => a.rank - b.rank);
          const scans = facts.filter(({ one }) => one.kind === 'scan');
          for (const { fact } of order) {
            const { one, time } = fact.one.kind === 'scan' ? scans.shift()! : fact;
            apply(shuffled, one, time);
          }
          assert.deepEqual(shuffled.tick((index + 1) * TICK), story.tick((index + 1) * TICK));
        });
      }),
      { numRuns: 300 },
    );
  });
});

/** The reports of some sockets, from all events of each. */
class Oracle {
  readonly #sights = new Map<Subject, { time: number; active: boolean; isNew: boolean }[]>();
  readonly #scans: { time: number; afterLoss: boolean }[] = [];
  #wasActive = new Set<Subject>();
  #reported = new Map<string, Status>();
  #before = 0;
  readonly #subjects: Subject[];
  readonly #period: number;

  constructor(subjects: Subject[], period: number) {
    this.#subjects = subjects;
    this.#period = period;
    for (const subject of subjects) this.#sights.set(subject, []);
  }

  apply(one: HistoryEvent, time: number): void {
    if (one.kind === 'event') {
      if (hasNoEvents(SUBJECTS[one.subject]!)) return;
      this.#sights.get(SUBJECTS[one.subject]!)?.push({ time, active: one.opens, isNew: true });
      return;
    }
    this.#scans.push({ time, afterLoss: one.afterLoss });
    for (const index of one.listed)
      this.#sights.get(SUBJECTS[index]!)?.push({ time, active: true, isNew: true });
  }

  tick(now: number): string[] {
    const current = new Map<string, Status>();
    const isActive = new Set<Subject>();
    for (const subject of this.#subjects) {
      const sights = this.#sights.get(subject)!;
      const newest = sights.reduce((a, b) => (b.time > a.time ? b : a), { time: -1, active: false });
      // An entry of a later scan would have a later sight.
      const ends = this.#scans.filter(({ afterLoss }) => afterLoss || !isOwned(subject));
      const active = newest.active && !ends.some(({ time }) => time > newest.time);
      if (active) isActive.add(subject);
      const isFetched = active || this.#wasActive.has(subject) || sights.some(({ isNew }) => isNew);
      for (const sight of sights) sight.isNew = false;
      if (!isFetched || subject.shown === undefined) continue;
      const same = current.get(subject.shown);
      current.set(subject.shown, {
        active: active || (same?.active ?? false),
        last: Math.max(newest.time, same?.last ?? 0),
      });
    }
    const before = this.#before;
    this.#wasActive = isActive;
    this.#before = now;
    if (this.#period === 0) {
      const report = specifiedChanges(this.#reported, current);
      this.#reported = current;
      return worded(report);
    }
    const { report, old } = specifiedAfterglow(this.#reported, current, now, before, this.#period);
    this.#reported = old;
    return worded(report);
  }
}

/** An active one is shown by its name alone. */
function worded(report: string[]): string[] {
  return report.map((line) => line.replace(/ active$/, '')).sort();
}

function storyOf(afterglowPeriod: number, seed = 1, slice?: number): Story {
  const ignoredNetworks = ['169.254.0.0/16'];
  const originatorOf = (_: number, pid: number) => pid;
  return new Story({ afterglowPeriod, ignoredNetworks, seed, originatorOf, ...(slice && { slice }) });
}

/** Connected UDP sockets are shown by scans alone. */
function hasNoEvents({ socket }: Subject): boolean {
  return socket.protocol === 17;
}

/** Whether only an event ends it, or a scan after a loss: the kernel side owns all TCP connections here. */
function isOwned({ socket }: Subject): boolean {
  return socket.protocol === undefined && socket.type !== 'listen';
}

function apply(story: Story, one: HistoryEvent, time: number): void {
  if (one.kind === 'scan') {
    if (one.afterLoss) story.scanAfterLoss(time, ...socketsOf(one.listed));
    else story.scan(time, ...socketsOf(one.listed));
    return;
  }
  const { socket } = SUBJECTS[one.subject]!;
  if (hasNoEvents(SUBJECTS[one.subject]!)) return;
  const types = socket.type === 'listen' ? (['listen', 'unlisten'] as const) : (['open', 'close'] as const);
  story.events({ ...socket, time, type: types[one.opens ? 0 : 1] });
}

/** As the kernel lists them: the listening ones first. */
function socketsOf(subjects: readonly number[]): Socket[] {
  const sockets = subjects.map((index) => {
    const subject = SUBJECTS[index]!;
    return isOwned(subject) ? { ...subject.socket, flags: RecordFlag.owned } : subject.socket;
  });
  const isListener = ({ type }: Socket) => type === 'listen';
  return [...sockets.filter(isListener), ...sockets.filter((socket) => !isListener(socket))];
}

/** Seconds, different for each fact: whole ms by chance, µs by place. */
function timeOf(interval: number, at: number, { when }: HistoryEvent): number {
  return (Math.round((interval + when) * TICK * 1e3) * 1e3 + at) / 1e6;
}

/** One scan follows another, with any events read between. */
function scansInOrder(interval: HistoryEvent[]): HistoryEvent[] {
  const times = interval.filter(({ kind }) => kind === 'scan').map(({ when }) => when);
  times.sort((a, b) => a - b);
  return interval.map((one) => (one.kind === 'scan' ? { ...one, when: times.shift()! } : one));
}

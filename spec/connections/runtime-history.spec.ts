import assert from 'node:assert/strict';
import fc from 'fast-check';
import { EXTERNAL_IPS } from '../../actors/settings/runtime-config.js';
import type { Socket } from '../support/records.js';
import {
  specifiedAfterglow,
  specifiedChanges,
  specifiedClosing,
  specifiedRoom,
  type Status,
} from './oracle.js';
import { Story, client, server } from './support.js';

type ExternalIps = (typeof EXTERNAL_IPS)[number];

/** A socket, and its reported forms: by its address, and aggregated as external. */
interface Subject {
  readonly socket: Socket;
  readonly direction: 'ingress' | 'egress';
  readonly told: string;
  readonly aggregated: string;
}

const ALL = '255.255.255.255';

function calling(container: number, remote: string, remotePort: number): Subject {
  const socket = client({ container, remote, remotePort, localPort: 40_000 + Number(remote.split('.')[3]) });
  const shown = (peer: string) => `${container} client nothing - ${peer} :${remotePort}`;
  return { socket, direction: 'egress', told: shown(`in ${remote}/32`), aggregated: shown(ALL) };
}

function called(container: number, remote: string): Subject {
  const shown = (peer: string) => `${container} server :8080 - ${peer}`;
  return {
    socket: server({ container, remote }),
    direction: 'ingress',
    told: shown(`in ${remote}/32`),
    aggregated: shown(ALL),
  };
}

const PRIVATE = '1 client nothing - 10.0.0.9 :80';
const SUBJECTS: readonly Subject[] = [
  ...['35.127.0.15', '35.127.0.16', '35.127.0.17'].flatMap((peer) => [
    calling(1, peer, 80),
    calling(1, peer, 443),
    calling(2, peer, 80),
    called(1, peer),
  ]),
  { socket: client(), direction: 'egress', told: PRIVATE, aggregated: PRIVATE },
];

type HistoryEvent =
  | { readonly kind: 'event'; readonly subject: number; readonly opens: boolean }
  | { readonly kind: 'config'; readonly externalIps: ExternalIps; readonly maxConnectionsPerMinute: number };

const TICK = 30;
const historyEvent: fc.Arbitrary<HistoryEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('event' as const),
      subject: fc.nat(SUBJECTS.length - 1),
      opens: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('config' as const),
      externalIps: fc.constantFrom(...EXTERNAL_IPS),
      maxConnectionsPerMinute: fc.constantFrom(0, 2, 4, 6, 2048),
    }),
  },
);
const history = fc.array(fc.array(historyEvent, { maxLength: 14 }), { minLength: 1, maxLength: 10 });

describe('any history of opens, closes and runtime configurations', () => {
  it('gives the deltas that the specification gives', () => {
    fc.assert(
      fc.property(history, fc.constantFrom(0, 20, 40, 100), (history, period) => {
        const start = { externalIps: 'none', maxConnectionsPerMinute: 6 } as const;
        const story = new Story({ afterglowPeriod: period, scrapeInterval: TICK, ...start });
        const oracle = new Oracle(period, start.externalIps, start.maxConnectionsPerMinute);
        // Then as many quiet ticks as it takes until nobody waits and nothing glows any more.
        const quiet = Array.from({ length: 6 }, (): HistoryEvent[] => []);
        [...history, ...quiet].forEach((interval, index) => {
          interval.forEach((one, at) => {
            const time = index * TICK + 1 + at;
            if (one.kind === 'config') story.config(time, one);
            else story.events({ ...SUBJECTS[one.subject]!.socket, type: one.opens ? 'open' : 'close', time });
            oracle.apply(one, time);
          });
          const now = (index + 1) * TICK;
          oracle.check(now, story.connections(now));
        });
        assert.equal(story.state.counts.rateLimited, oracle.cut);
        assert.equal(story.state.counts.rateLost, oracle.lost);
      }),
      { numRuns: 1500 },
    );
  });
});

/** §7 for these subjects. The choice of a full report is not specified: it has to use all its room. */
class Oracle {
  /** New active connections over a report's limit. */
  cut = 0;
  /** Closed ones among them. */
  lost = 0;
  readonly #period: number;
  #externalIps: ExternalIps;
  #limit: number;
  #externalIpsBefore: ExternalIps;
  #flows = new Map<Subject, Status>();
  #reported = new Map<string, Status>();
  #before = 0;
  /** Directions turned since the previous tick. */
  #turned = { ingress: false, egress: false };

  constructor(period: number, externalIps: ExternalIps, limit: number) {
    this.#period = period;
    this.#externalIps = externalIps;
    this.#externalIpsBefore = externalIps;
    this.#limit = limit;
  }

  apply(one: HistoryEvent, time: number): void {
    if (one.kind === 'event') {
      this.#flows.set(SUBJECTS[one.subject]!, { active: one.opens, last: time });
    } else {
      this.#externalIps = one.externalIps;
      this.#limit = one.maxConnectionsPerMinute;
    }
  }

  /** Holds the report of a tick against the specified one. */
  check(now: number, actual: string[]): void {
    for (const direction of ['ingress', 'egress'] as const)
      this.#turned[direction] =
        tells(this.#externalIpsBefore, direction) !== tells(this.#externalIps, direction);
    const closing = specifiedClosing(
      this.#reported,
      (shown) => this.#isOver(shown),
      this.#before,
      this.#period,
    );
    const current = this.#current();
    const { report, old } =
      this.#period === 0
        ? { report: specifiedChanges(this.#reported, current), old: new Map(current) }
        : specifiedAfterglow(this.#reported, current, now, this.#before, this.#period);

    const isActive = (line: string) => line.endsWith(' active');
    const closed = [...closing, ...report.filter((line) => !isActive(line))];
    const opened = report.filter(isActive).map((line) => line.slice(0, -' active'.length));
    const admitted = actual.filter((line) => opened.includes(line));
    assert.deepEqual(actual.filter((line) => !opened.includes(line)).sort(), closed.sort());
    for (const container of ['1 ', '2 ']) {
      const ofContainer = (lines: string[]) => lines.filter((line) => line.startsWith(container)).length;
      const room = specifiedRoom(this.#limit, TICK);
      assert.equal(ofContainer(admitted), Math.min(ofContainer(opened), room));
    }

    for (const shown of opened.filter((line) => !admitted.includes(line))) {
      this.cut++;
      const was = this.#reported.get(shown);
      if (was) old.set(shown, was);
      else old.delete(shown);
      if (!current.get(shown)!.active) this.lost++;
    }
    this.#reported = old;
    this.#before = now;
    this.#externalIpsBefore = this.#externalIps;
  }

  #isOver(shown: string): boolean {
    const subject = SUBJECTS.find(({ told, aggregated }) => shown === told || shown === aggregated)!;
    if (subject.told === subject.aggregated || !this.#turned[subject.direction]) return false;
    return tells(this.#externalIps, subject.direction)
      ? shown === subject.aggregated
      : shown === subject.told;
  }

  /** Open subjects, and subjects closed since the previous tick: they are looked at once. */
  #current(): Map<string, Status> {
    const current = new Map<string, Status>();
    for (const [subject, { active, last }] of this.#flows) {
      const shown = tells(this.#externalIps, subject.direction) ? subject.told : subject.aggregated;
      const same = current.get(shown);
      current.set(shown, {
        active: active || (same?.active ?? false),
        last: Math.max(last, same?.last ?? 0),
      });
      if (!active) this.#flows.delete(subject);
    }
    return current;
  }
}

function tells(externalIps: ExternalIps, direction: 'ingress' | 'egress'): boolean {
  return externalIps === 'both' || externalIps === direction;
}

import { EMPTY, mergeMap, Observable, type Subscriber } from 'rxjs';
import type { Fact, TickFact } from '../capture/facts.js';
import type { Slices } from '../capture/slices.js';
import type { OriginatorOf } from './listeners.js';
import type { Delta } from './report.js';
import type { Limited } from './rate-limit.js';
import { ConnectionState } from './state.js';

/** What a tick has to say of the network, or a part of it: a large one comes in several. */
export interface NetworkNews {
  /** Of the tick, Unix time in µs. */
  readonly time: number;
  readonly delta: Delta;
}

const SEED_DIGITS = 8;

/**
 * Folds every fact into a connection state, made anew by each start fact, and tells what ticks give, if anything.
 * @param originatorOf who listens; it has to have seen a fact before this actor does
 * @param slices gets what a tick has to do, to be run before the next fact comes
 * @param onLimited a container has more new connections than may be reported; called once for each
 * @param onOriginators which processes reports may still speak of; called before each tick gives a report, so that what
 * it names is among them
 */
export function networkNews(
  facts: Observable<Fact>,
  originatorOf: OriginatorOf,
  slices: Slices,
  onLimited: (limited: Limited) => void = () => undefined,
  onOriginators: (used: ReadonlySet<number>) => void = () => undefined,
): Observable<NetworkNews> {
  let state: ConnectionState | undefined;
  const fold = (fact: Fact): Observable<NetworkNews> => {
    if (fact.kind === 'start') {
      const seed = parseInt(fact.seed.slice(0, SEED_DIGITS), 16);
      state = new ConnectionState(fact.settings, originatorOf, seed);
    } else if (fact.kind === 'tick') {
      if (state === undefined) return EMPTY;
      const ticking = state;
      onOriginators(ticking.usedOriginators());
      return new Observable((subscriber) => slices.add(report(ticking, fact, subscriber, onLimited)));
    } else if (fact.kind === 'scan') {
      state?.scan(fact);
    } else if (fact.kind === 'control') {
      state?.control(fact);
    } else if (fact.kind === 'config') {
      state?.config(fact);
    } else if (fact.kind === 'records' && state !== undefined) {
      const { records } = fact;
      for (let at = 0; at < records.length; at += records.size(at)) state.record(records, at);
    }
    return EMPTY;
  };
  return facts.pipe(mergeMap(fold));
}

/** Passes the parts of a tick's delta on, as they come. */
function* report(
  state: ConnectionState,
  fact: TickFact,
  subscriber: Subscriber<NetworkNews>,
  onLimited: (limited: Limited) => void,
): Generator<undefined, void> {
  const time = Math.floor((fact.time + fact.epoch) / 1000);
  try {
    for (const delta of state.tick(fact)) {
      if (subscriber.closed) return;
      if (delta === undefined) yield;
      else subscriber.next({ time, delta });
    }
    state.limited.forEach(onLimited);
    subscriber.complete();
  } catch (error) {
    subscriber.error(error);
  }
}

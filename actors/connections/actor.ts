import { filter, map, mergeAll, Observable, type Subscriber } from 'rxjs';
import type { Fact, TickFact } from '../capture/facts.js';
import type { Sliced, Slices } from '../capture/slices.js';
import type { Refusal } from '../shares/refusals.js';
import type { Stopwatch } from '../telemetry/stopwatch.js';
import type { OriginatorOf } from './listening-sockets.js';
import type { Delta } from './report.js';
import type { Limited } from './rate-limit.js';
import { ConnectionState } from './state.js';

/** What a tick has to say of the network, or a part of it: a large one comes in several. */
export interface NetworkNews {
  /** Of the tick, Unix time in µs. */
  readonly time: number;
  readonly delta: Delta;
}

/** Hears of what happens in here, and has no part in it. */
export interface NetworkWatch {
  /** A container has more new connections than may be reported; called once for each. */
  readonly onLimited?: (limited: Limited) => void;
  /** A table refused entries of a container that held more than its fair share; called once for each table and container. */
  readonly onRefusal?: (refusal: Refusal) => void;
  /** There is a new state. */
  readonly onState?: (state: ConnectionState) => void;
  /** Time the folds of scans and the making of reports, without the pauses between their slices. */
  readonly scan?: Stopwatch;
  readonly report?: Stopwatch;
  /** A report was made, of so many changes. */
  readonly onReport?: (fact: TickFact, connections: number, endpoints: number) => void;
}

/** Who keeps what is known of processes that listen, or did; `ProcessState` is one. */
export interface OriginatorKeeper {
  /** Asked before each tick gives a report. */
  readonly isShortOfOriginators: boolean;
  /** Forgets those that no report can speak of any more, in slices. */
  keepOriginators(used: ReadonlySet<number>): Sliced<void>;
}

const SEED_DIGITS = 8;

/**
 * Folds every fact into a connection state, made anew by each start fact, and tells what ticks give, if anything.
 * @param originatorOf who listens; it has to have seen a fact before this actor does
 * @param slices gets what a tick has to do, to be run before the next fact comes
 * @param keeper of what `originatorOf` gives numbers to
 */
export function networkNews(
  facts: Observable<Fact>,
  originatorOf: OriginatorOf,
  slices: Slices,
  watch: NetworkWatch = {},
  keeper?: OriginatorKeeper,
): Observable<NetworkNews> {
  let state: ConnectionState | undefined;
  let scanning = 0;
  /** What a tick gives; hardly any fact is one, so that there is nothing to subscribe to for the others. */
  const fold = (fact: Fact): Observable<NetworkNews> | undefined => {
    if (fact.kind === 'start') {
      const seed = parseInt(fact.seed.slice(0, SEED_DIGITS), 16);
      state = new ConnectionState(fact.settings, originatorOf, seed);
      watch.onState?.(state);
    } else if (fact.kind === 'tick') {
      if (state === undefined) return undefined;
      const ticking = state;
      if (keeper?.isShortOfOriginators === true) slices.add(forgetOriginators(ticking, keeper));
      return new Observable((subscriber) => slices.add(report(ticking, fact, subscriber, watch)));
    } else if (fact.kind === 'scan') {
      if (state === undefined) return undefined;
      const start = performance.now();
      state.scan(fact);
      if (fact.of !== 'sockets') return undefined;
      scanning += performance.now() - start;
      if (fact.part === 'first' || fact.part === 'next') return undefined;
      watch.scan?.add(scanning);
      scanning = 0;
    } else if (fact.kind === 'control') {
      state?.control(fact);
    } else if (fact.kind === 'config') {
      state?.config(fact);
    } else if (fact.kind === 'records' && state !== undefined) {
      const { records } = fact;
      for (let at = 0; at < records.length; at += records.size(at)) state.record(records, at);
    }
    return undefined;
  };
  return facts.pipe(
    map(fold),
    filter((news) => news !== undefined),
    mergeAll(),
  );
}

/** Before the tick gives a report, so that what that names is there. */
function* forgetOriginators(state: ConnectionState, keeper: OriginatorKeeper): Sliced<void> {
  yield* keeper.keepOriginators(yield* state.usedOriginators());
}

/** Passes the parts of a tick's delta on, as they come. */
function* report(
  state: ConnectionState,
  fact: TickFact,
  subscriber: Subscriber<NetworkNews>,
  watch: NetworkWatch,
): Sliced<void> {
  const time = Math.floor((fact.time + fact.epoch) / 1000);
  let [connections, endpoints, spent] = [0, 0, 0];
  try {
    let start = performance.now();
    for (const delta of state.tick(fact)) {
      spent += performance.now() - start;
      if (subscriber.closed) return;
      if (delta === undefined) {
        yield;
      } else {
        connections += delta.connections.length;
        endpoints += delta.endpoints.length;
        subscriber.next({ time, delta });
      }
      start = performance.now();
    }
    watch.report?.add(spent + performance.now() - start);
    watch.onReport?.(fact, connections, endpoints);
    state.limited.forEach((limited) => watch.onLimited?.(limited));
    state.takeRefusals().forEach((refusal) => watch.onRefusal?.(refusal));
    subscriber.complete();
  } catch (error) {
    subscriber.error(error);
  }
}

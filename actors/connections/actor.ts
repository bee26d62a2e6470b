import { filter, map, type Observable } from 'rxjs';
import type { Fact, TickFact } from '../capture/facts.js';
import { Stopwatch } from '../telemetry/stopwatch.js';
import type { OriginatorOf } from './listeners.js';
import type { Delta } from './report.js';
import type { Limited } from './rate-limit.js';
import { ConnectionState } from './state.js';

/** What a tick has to say of the network. */
export interface NetworkNews {
  /** Of the tick, Unix time in µs. */
  readonly time: number;
  readonly delta: Delta;
}

/** Hears of what happens in here, and has no part in it. */
export interface NetworkWatch {
  /** A container has more new connections than may be reported; called once for each. */
  readonly onLimited?: (limited: Limited) => void;
  /** There is a new state. */
  readonly onState?: (state: ConnectionState) => void;
  /** Times a scan's fold, and the making of a report. */
  readonly scan?: Stopwatch;
  readonly report?: Stopwatch;
  /** A report was made. */
  readonly onReport?: (fact: TickFact, delta: Delta) => void;
}

const SEED_DIGITS = 8;

/**
 * Folds every fact into a connection state, made anew by each start fact, and tells what ticks give, if anything.
 * @param originatorOf who listens; it has to have seen a fact before this actor does
 */
export function networkNews(
  facts: Observable<Fact>,
  originatorOf: OriginatorOf,
  {
    onLimited = () => undefined,
    onState = () => undefined,
    onReport = () => undefined,
    scan = new Stopwatch(),
    report = new Stopwatch(),
  }: NetworkWatch = {},
): Observable<NetworkNews> {
  let state: ConnectionState | undefined;
  const fold = (fact: Fact): NetworkNews | undefined => {
    if (fact.kind === 'start') {
      const seed = parseInt(fact.seed.slice(0, SEED_DIGITS), 16);
      state = new ConnectionState(fact.settings, originatorOf, seed);
      onState(state);
    } else if (fact.kind === 'tick') {
      const delta = report.time(() => state?.tick(fact));
      state?.limited.forEach(onLimited);
      if (delta === undefined) return undefined;
      onReport(fact, delta);
      if (delta.connections.length + delta.endpoints.length === 0) return undefined;
      return { time: Math.floor((fact.time + fact.epoch) / 1000), delta };
    } else if (fact.kind === 'scan') {
      if (fact.of === 'sockets') scan.time(() => state?.scan(fact));
    } else if (fact.kind === 'control') {
      state?.control(fact);
    } else if (fact.kind === 'config') {
      state?.config(fact);
    } else if (state !== undefined) {
      const { records } = fact;
      for (let at = 0; at < records.length; at += records.size(at)) state.record(records, at);
    }
    return undefined;
  };
  return facts.pipe(
    map(fold),
    filter((news) => news !== undefined),
  );
}

import { filter, map, mergeAll, Observable, type Subscriber } from 'rxjs';
import type { Fact, ScanFact, TickFact } from '../capture/facts.js';
import type { Sliced, Slices } from '../capture/slices.js';
import type { Refusal } from '../shares/refusals.js';
import type { PeerSummaries, Publication } from '../telemetry/publication.js';
import { Stopwatch } from '../telemetry/stopwatch.js';
import type { WindowSummary } from '../telemetry/window-summary.js';
import { peerKinds } from './peer-counts.js';
import type { OriginatorOf } from './listening-sockets.js';
import type { View } from './listing.js';
import type { Limited } from './rate-limit.js';
import type { Delta } from './report.js';
import { ConnectionState } from './state.js';

const SEED_DIGITS = 8;
const NS_PER_SECOND = 1e9;
const NS_PER_US = 1000;

/** The changes of a tick, or a part of them: a large delta comes in several. */
export interface NetworkUpdate {
  /** Of the tick, Unix time in µs. */
  readonly time: number;
  readonly delta: Delta;
}

/** Keeps descriptions of processes that listen, or did; `ProcessState` is one. */
export interface OriginatorKeeper {
  /** Asked before each tick gives a report. */
  readonly isShortOfOriginators: boolean;
  /** Forgets all originators but those in use by a report, in slices. */
  keepOriginators(used: ReadonlySet<number>): Sliced<void>;
}

/** Callbacks and measures of the actor; by default there are none. */
export interface ConnectionHooks {
  /** A container has more new connections than a report may have; called once for each. */
  readonly onLimited?: (limited: Limited) => void;
  /** A table refused entries of a container over its fair share; called once for each table and container. */
  readonly onRefusal?: (refusal: Refusal) => void;
  /** Time of each report, s. */
  readonly onReport?: (seconds: number) => void;
  /** One for each of `peerKinds`, or none. */
  readonly peers?: readonly PeerSummaries[];
}

/** The connections and endpoints of containers: folds facts into a state made anew by each start fact. */
export class Connections {
  readonly #originatorOf: OriginatorOf;
  readonly #slices: Slices;
  readonly #hooks: ConnectionHooks;
  readonly #keeper: OriginatorKeeper | undefined;
  readonly #scanTimer = new Stopwatch();
  readonly #reportTimer: Stopwatch;
  #state: ConnectionState | undefined;
  /** Time of the parts of the current scan so far, ms. */
  #scanning = 0;
  #deltas = 0;
  #endpointDeltas = 0;
  #lastReport: { readonly time: number; readonly created: Float64Array } | undefined;

  /**
   * @param originatorOf the process that listens; it has to have seen a fact before this actor does
   * @param slices gets the work of a tick, to be run before the next fact
   * @param keeper of the processes that `originatorOf` numbers
   */
  constructor(
    originatorOf: OriginatorOf,
    slices: Slices,
    hooks: ConnectionHooks = {},
    keeper?: OriginatorKeeper,
  ) {
    this.#originatorOf = originatorOf;
    this.#slices = slices;
    this.#hooks = hooks;
    this.#keeper = keeper;
    this.#reportTimer = new Stopwatch(hooks.onReport);
  }

  /** undefined before the start fact. */
  get state(): ConnectionState | undefined {
    return this.#state;
  }

  get publication(): Publication {
    return {
      tables: () =>
        (this.#state?.tables ?? []).map(({ refused, ...table }) => ({ ...table, evicted: refused })),
      losses: () => {
        const counts = this.#state?.counts;
        return [
          { stage: 'connections', cause: 'table_full', count: counts?.refused ?? 0 },
          { stage: 'connections', cause: 'rate_limited', count: counts?.rateLost ?? 0 },
          { stage: 'endpoints', cause: 'rate_limited', count: counts?.endpointsRateLost ?? 0 },
        ];
      },
      counters: () => ({
        net_conn_deltas: this.#deltas,
        net_conn_inactive: this.#state?.peerCounts.removed ?? 0,
        net_cep_deltas: this.#endpointDeltas,
        net_cep_inactive: this.#state?.endedListeningSockets ?? 0,
        net_conn_rate_limited: this.#state?.counts.rateLimited ?? 0,
        net_cep_rate_limited: this.#state?.counts.endpointsRateLimited ?? 0,
      }),
      timers: { net_scrape_update: this.#scanTimer, net_fetch_state: this.#reportTimer },
    };
  }

  /** Folds every fact and passes the deltas of ticks on. */
  updates(facts: Observable<Fact>): Observable<NetworkUpdate> {
    return facts.pipe(
      map((fact) => this.#fold(fact)),
      filter((update) => update !== undefined),
      mergeAll(),
    );
  }

  /** The connections of now as the text of a JSON object, in pieces; undefined before the start fact. */
  listConnections(view: View): Generator<string> | undefined {
    return this.#state?.connections(view);
  }

  /** The same of endpoints. */
  listEndpoints(view: View): Generator<string> | undefined {
    return this.#state?.endpoints(view);
  }

  /** @returns the deltas of a tick; other facts, nearly all, have nothing to subscribe to */
  #fold(fact: Fact): Observable<NetworkUpdate> | undefined {
    if (fact.kind === 'start') {
      const seed = parseInt(fact.seed.slice(0, SEED_DIGITS), 16);
      this.#state = new ConnectionState(fact.settings, this.#originatorOf, seed);
      return undefined;
    }
    const state = this.#state;
    if (state === undefined) return undefined;
    switch (fact.kind) {
      case 'records': {
        const { records } = fact;
        for (let at = 0; at < records.length; at += records.size(at)) state.record(records, at);
        return undefined;
      }
      case 'tick':
        if (this.#keeper?.isShortOfOriginators === true)
          this.#slices.add(forgetOriginators(state, this.#keeper));
        return new Observable((subscriber) => this.#slices.add(this.#report(state, fact, subscriber)));
      case 'scan':
        this.#scan(state, fact);
        return undefined;
      case 'control':
        state.control(fact);
        return undefined;
      case 'config':
        state.config(fact);
        return undefined;
      default:
        return undefined;
    }
  }

  #scan(state: ConnectionState, fact: ScanFact): void {
    const start = performance.now();
    state.scan(fact);
    if (fact.of !== 'sockets') return;
    this.#scanning += performance.now() - start;
    if (fact.part === 'first' || fact.part === 'next') return;
    this.#scanTimer.add(this.#scanning);
    this.#scanning = 0;
  }

  /** Passes the parts of a tick's delta on, as they come. */
  *#report(state: ConnectionState, fact: TickFact, subscriber: Subscriber<NetworkUpdate>): Sliced<void> {
    const time = Math.floor((fact.time + fact.epoch) / NS_PER_US);
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
      this.#reportTimer.add(spent + performance.now() - start);
      this.#deltas += connections;
      this.#endpointDeltas += endpoints;
      this.#observePeers(state, fact);
      state.limited.forEach((limited) => this.#hooks.onLimited?.(limited));
      state.takeRefusals().forEach((refusal) => this.#hooks.onRefusal?.(refusal));
      subscriber.complete();
    } catch (error) {
      subscriber.error(error);
    }
  }

  #observePeers({ peerCounts }: ConnectionState, { time }: TickFact): void {
    const now = time / NS_PER_SECOND;
    const before = this.#lastReport;
    this.#hooks.peers?.forEach(({ total, rate }, kind) => {
      total.observe(peerCounts.known[kind]!, now);
      if (before === undefined || now <= before.time) return;
      rate.observe((peerCounts.created[kind]! - before.created[kind]!) / (now - before.time), now);
    });
    this.#lastReport = { time: now, created: peerCounts.created.slice() };
  }
}

/** Empty summaries of connection counts, by kind of peer. @param make one of them */
export function peerSummaries(make: () => WindowSummary): readonly PeerSummaries[] {
  return peerKinds.map((kind) => ({ ...kind, total: make(), rate: make() }));
}

/** Before the tick gives a report, so that the originators in it are there. */
function* forgetOriginators(state: ConnectionState, keeper: OriginatorKeeper): Sliced<void> {
  yield* keeper.keepOriginators(yield* state.usedOriginators());
}

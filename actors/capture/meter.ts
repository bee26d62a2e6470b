import { Observable } from 'rxjs';
import type { Activity } from '../telemetry/activity.js';
import type { Durations } from '../telemetry/metrics.js';
import type { ProgramCounts, Publication, RingCounts } from '../telemetry/publication.js';
import { shortageOf } from '../telemetry/shortage.js';
import { Stopwatch } from '../telemetry/stopwatch.js';
import type { Driver } from './driver.js';
import { EventMeter } from './event-meter.js';
import { NETWORK_WORDS, type Fact } from './facts.js';
import type { Scanner } from './scanner.js';

const US_PER_MS = 1000;

/** Counts and times the capture: events in facts, the work following from facts, scans, BPF programs. */
export class CaptureMeter {
  readonly #driver: Pick<Driver, 'stats' | 'rings'>;
  readonly #activity: Activity;
  readonly #socketScan: Stopwatch;
  readonly #processScan: Stopwatch;
  readonly #events = new EventMeter();
  readonly #facts: Record<Fact['kind'], number> = {
    start: 0,
    records: 0,
    scan: 0,
    control: 0,
    config: 0,
    containers: 0,
    clock: 0,
    tick: 0,
  };
  #programs: readonly ProgramCounts[] = [];
  #isClosed = false;
  #networks = 0;
  #addresses = 0;

  constructor(driver: Pick<Driver, 'stats' | 'rings'>, activity: Activity, durations: Durations) {
    this.#driver = driver;
    this.#activity = activity;
    this.#socketScan = new Stopwatch((seconds) => durations.scan('sockets', seconds));
    this.#processScan = new Stopwatch((seconds) => durations.scan('processes', seconds));
  }

  get publication(): Publication {
    return {
      programs: () => this.#readPrograms(),
      events: () => this.#events.events,
      facts: () => ({ ...this.#facts }),
      rings: () => this.#readRings(),
      timers: { net_scrape_read: this.#socketScan },
      counters: () => ({
        net_conn_updates: this.#events.connectionUpdates,
        net_cep_updates: this.#events.endpointUpdates,
        net_known_ip_networks: this.#networks,
        net_known_public_ips: this.#addresses,
      }),
      procfs: () => ({
        event_timestamp_distant_past: this.#events.distantPast,
        event_timestamp_future: this.#events.future,
      }),
    };
  }

  /** The facts, counted, with the work of each timed. */
  watch(facts: Observable<Fact>): Observable<Fact> {
    return new Observable((subscriber) =>
      facts.subscribe({
        next: (fact) => this.#pass(fact, () => subscriber.next(fact)),
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  }

  /** The scanner, timed without its pauses. */
  timed(scanner: Scanner): Scanner {
    return {
      sockets: () => this.#timedSockets(scanner.sockets()),
      processes: () => this.#timedProcesses(scanner.processes()),
    };
  }

  #pass(fact: Fact, pass: () => void): void {
    this.#activity.step = fact.kind;
    const start = performance.now();
    this.#events.take(fact);
    this.#facts[fact.kind]++;
    const taken = performance.now();
    pass();
    const passed = performance.now();
    this.#activity.step = '';
    if (fact.kind === 'records') {
      this.#events.share('parse', (taken - start) * US_PER_MS);
      this.#events.share('process', (passed - taken) * US_PER_MS);
    } else if (fact.kind === 'control') {
      if (fact.networks) this.#networks = fact.networks.length / NETWORK_WORDS;
      if (fact.publicAddresses) this.#addresses = fact.publicAddresses.length / NETWORK_WORDS;
    }
  }

  *#timedSockets(scan: ReturnType<Scanner['sockets']>): ReturnType<Scanner['sockets']> {
    let spent = 0;
    for (;;) {
      const start = performance.now();
      this.#activity.step = 'scan of sockets';
      const { done, value } = scan.next();
      this.#activity.step = '';
      spent += performance.now() - start;
      if (done === true) {
        this.#socketScan.add(spent);
        return value;
      }
      yield value;
    }
  }

  /** The same of a scan waiting for helpers: the wait counts too. */
  async *#timedProcesses(scan: ReturnType<Scanner['processes']>): ReturnType<Scanner['processes']> {
    let spent = 0;
    for (;;) {
      const start = performance.now();
      this.#activity.step = 'scan of processes';
      const part = scan.next(); // up to its first wait for a helper
      this.#activity.step = '';
      const next = await part;
      spent += performance.now() - start;
      if (next.done === true) {
        this.#processScan.add(spent);
        return;
      }
      yield next.value;
    }
  }

  /** undefined once the driver is closed. */
  #readRings(): RingCounts | undefined {
    return this.#isClosed ? undefined : this.#driver.rings();
  }

  /** Counts of the programs as they are now; after the driver was closed, its last ones. */
  #readPrograms(): readonly ProgramCounts[] {
    if (this.#isClosed) return this.#programs;
    try {
      this.#programs = this.#driver.stats();
    } catch (error) {
      // A closed driver throws, and so does a passing shortage.
      this.#isClosed = shortageOf(error) === undefined;
    }
    return this.#programs;
  }
}

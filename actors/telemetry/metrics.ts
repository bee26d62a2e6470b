import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { register } from './family.js';
import { inheritedMetrics } from './inherited-metrics.js';
import { nativeMetrics } from './native-metrics.js';
import type { Sources } from './publication.js';

/** Metrics of prom-client from a timer with 100 wake-ups a second; see below. */
const LAG_STATISTICS = /^nodejs_eventloop_lag_.+_seconds$/;
const NEVER_MS = 2_147_483_647;

/** 0.1 ms to 26 s, each four times the one before. */
const DURATIONS = Array.from({ length: 10 }, (_, index) => 0.0001 * 4 ** index);

/** Durations measured by the wiring; observe seconds. */
export interface Durations {
  readonly tick: (seconds: number) => void;
  readonly scan: (of: 'processes' | 'sockets', seconds: number) => void;
}

/** All metrics of `/metrics`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly durations: Durations;
  #scrape: Promise<string> | undefined;

  constructor() {
    // An idle Collector sleeps: statistics of the loop's lag would need a timer of 10 ms. The lag at a scrape remains;
    // it costs nothing.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: NEVER_MS });
    for (const { name } of this.#registry.getMetricsAsArray())
      if (LAG_STATISTICS.test(name)) this.#registry.removeSingleMetric(name);
    const tick = new Histogram({
      name: 'collector_tick_duration_seconds',
      help: 'How long it took to make a report of the network, and to send or print it.',
      buckets: DURATIONS,
      registers: [this.#registry],
    });
    const scan = new Histogram({
      name: 'collector_scan_duration_seconds',
      help: 'How long it took to list what runs, or which sockets there are.',
      labelNames: ['of'],
      buckets: DURATIONS,
      registers: [this.#registry],
    });
    this.durations = {
      tick: (seconds) => tick.observe(seconds),
      scan: (of, seconds) => scan.observe({ of }, seconds),
    };
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @param detailed metrics for each type of event too */
  watch(sources: Sources, detailed: boolean): void {
    register(this.#registry, [...inheritedMetrics(sources, detailed), ...nativeMetrics(sources)]);
  }

  /** The exposition text. A call during a scrape shares its text. */
  async text(): Promise<string> {
    this.#scrape ??= this.#registry.metrics().finally(() => (this.#scrape = undefined));
    return this.#scrape;
  }
}

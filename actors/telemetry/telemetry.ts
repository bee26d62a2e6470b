import { Activity } from './activity.js';
import { kernelTotals, type KernelTotals } from './inherited-metrics.js';
import type { Log } from './log.js';
import { Metrics } from './metrics.js';
import { counterHelp, procfsHelp, type Publication, type Sources } from './publication.js';
import { Shortages } from './shortage.js';
import { Stopwatch } from './stopwatch.js';

type Lists = 'programs' | 'tables' | 'losses' | 'streams' | 'events' | 'peers';
type Records = 'counters' | 'procfs' | 'signals';
type Numbers = 'suppressedLogLines' | 'droppedLogLines' | 'connectionsCut' | 'stalls';

const NO_SIGNALS = { sent: 0, dropped: 0, limited: 0 };
const NO_LINEAGE = { signals: 0, ancestors: 0, squares: 0, bytes: 0, byteSquares: 0 };
const NO_THREADS = { size: 0, evicted: 0 };

export interface TelemetryOptions {
  /** Version of Collector. */
  readonly version: string;
  /** Metrics for each type of event too. */
  readonly detailed: boolean;
  /** Quantiles of connection counts; undefined: without those metrics. */
  readonly quantiles: readonly number[] | undefined;
  readonly log: Log;
  /** Its lists stand in for lists not published by any part yet. */
  readonly absent?: Publication;
}

/** Collects the publications of all parts into the metrics. A part publishes once, as soon as it exists. */
export class Telemetry {
  readonly metrics = new Metrics();
  /** Phase and step of the event loop. */
  readonly activity = new Activity();
  readonly shortages: Shortages;
  /** All publications as one: what a scrape reads. */
  readonly sources: Sources;
  readonly #publications: Publication[] = [];
  readonly #absent: Publication;

  constructor({ version, detailed, quantiles, log, absent = {} }: TelemetryOptions) {
    this.#absent = absent;
    this.shortages = new Shortages(log.throttled('warning'));
    this.publish({ shortages: this.shortages.counts, suppressedLogLines: () => log.suppressed });
    this.sources = this.#sources(version, quantiles);
    this.metrics.watch(this.sources, detailed);
  }

  publish(publication: Publication): void {
    this.#publications.push(publication);
  }

  /** Totals of the BPF programs, and the number of forgotten processes. */
  kernel(): KernelTotals {
    return kernelTotals(this.#list('programs'), this.#threadCache().evicted);
  }

  #sources(version: string, quantiles: readonly number[] | undefined): Sources {
    const none = new Stopwatch();
    const zero = <Name extends string>(help: Readonly<Record<Name, string>>) =>
      Object.fromEntries(Object.keys(help).map((name) => [name, 0])) as Record<Name, number>;
    return {
      version,
      quantiles,
      programs: () => this.#list('programs'),
      tables: () => this.#list('tables'),
      losses: () => this.#list('losses'),
      streams: () => this.#list('streams'),
      events: () => this.#list('events'),
      peers: () => this.#list('peers'),
      counters: () => ({ ...zero(counterHelp), ...this.#record('counters') }),
      procfs: () => ({ ...zero(procfsHelp), ...this.#record('procfs') }),
      signals: () => ({ ...NO_SIGNALS, ...this.#record('signals') }),
      timer: (name) => this.#first(({ timers }) => timers?.[name]) ?? none,
      readers: () => this.#first(({ readers }) => readers)?.(),
      queue: () => this.#first(({ queue }) => queue)?.(),
      lineage: () => this.#first(({ lineage }) => lineage) ?? NO_LINEAGE,
      threadCache: () => this.#threadCache(),
      selfCheckPassed: () => this.#first(({ selfCheckPassed }) => selfCheckPassed)?.(),
      shortages: this.shortages.counts,
      suppressedLogLines: () => this.#number('suppressedLogLines'),
      droppedLogLines: () => this.#number('droppedLogLines'),
      connectionsCut: () => this.#number('connectionsCut'),
      stalls: () => this.#number('stalls'),
    };
  }

  #threadCache(): ReturnType<Sources['threadCache']> {
    return this.#first(({ threadCache }) => threadCache)?.() ?? NO_THREADS;
  }

  #first<T>(read: (publication: Publication) => T | undefined): T | undefined {
    for (const publication of this.#publications) {
      const value = read(publication);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  #number(key: Numbers): number {
    return this.#first((publication) => publication[key])?.() ?? 0;
  }

  #list<Key extends Lists>(key: Key): ReturnType<Sources[Key]> {
    const reads = this.#publications.flatMap((publication) => publication[key] ?? []);
    const lists = (reads.length > 0 ? reads : [this.#absent[key]]).map(
      (read): readonly unknown[] => read?.() ?? [],
    );
    return lists.flat() as unknown as ReturnType<Sources[Key]>;
  }

  #record<Key extends Records>(key: Key): Partial<ReturnType<Sources[Key]>> {
    const records = this.#publications.map((publication) => publication[key]?.());
    return Object.assign({}, ...records) as Partial<ReturnType<Sources[Key]>>;
  }
}

/** The counts of a part's publications as they are now, for an inspector: plain data, merged as for a scrape. */
export function countsOf(publications: readonly Publication[]): Readonly<Record<string, unknown>> {
  const counts: Record<string, unknown> = {};
  for (const { timers, ...publication } of publications) {
    for (const [name, value] of Object.entries(publication)) {
      // Summaries are sketches, not counts.
      if (name !== 'peers') add(counts, name, typeof value === 'function' ? value() : value);
    }
    for (const [name, { laps, microseconds }] of Object.entries(timers ?? {}))
      add(counts, 'timers', { [name]: { laps, microseconds } });
  }
  return counts;
}

/** Appends a list to the one of that name, or merges a record with it. */
function add(counts: Record<string, unknown>, name: string, value: unknown): void {
  const known = counts[name];
  if (Array.isArray(known) && Array.isArray(value))
    counts[name] = [...(known as unknown[]), ...(value as unknown[])];
  else if (isRecord(known) && isRecord(value)) counts[name] = { ...known, ...value };
  else counts[name] = isRecord(value) ? { ...value } : value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Error);
}

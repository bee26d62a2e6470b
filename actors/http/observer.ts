import { Observable } from 'rxjs';
import type { ArgumentReader } from '../capture/argument-reader.js';
import type { Probe } from '../capture/driver.js';
import { EventMeter } from '../capture/event-meter.js';
import { Links } from '../capture/links.js';
import type { ContainerMetadata, Fact, TickFact } from '../capture/facts.js';
import { ProcfsTroubles } from '../capture/procfs/troubles.js';
import type { Scanner } from '../capture/scanner.js';
import type { NetworkWatch } from '../connections/actor.js';
import { peerKinds } from '../connections/census.js';
import type { ConnectionState } from '../connections/state.js';
import { containerNumber } from '../containers/id.js';
import { MOST_NAMED } from '../containers/metadata.js';
import type { ContainerState } from '../containers/state.js';
import { NETWORK_WORDS } from '../capture/facts.js';
import { LineageCounts } from '../processes/lineage-counts.js';
import type { ProcessSignal } from '../processes/signal.js';
import type { ProcessState } from '../processes/state.js';
import type { Sensor } from '../sensor/actor.js';
import { withoutFile, type RuntimeConfig } from '../settings/runtime-config.js';
import type { Settings } from '../settings/table.js';
import { Activity } from '../telemetry/activity.js';
import { kernelTotals, type KernelTotals } from '../telemetry/inherited-metrics.js';
import type { Log } from '../telemetry/log.js';
import { Metrics } from '../telemetry/metrics.js';
import { shortageOf, Shortages } from '../telemetry/shortage.js';
import type { Loss, PeerSummaries, ProgramCounts, Sources, TableCounts } from '../telemetry/sources.js';
import { Stopwatch } from '../telemetry/stopwatch.js';
import { WindowSummary } from '../telemetry/window-summary.js';
import type { IntrospectionSources } from './introspection.js';
import type { Readiness } from './operation.js';

const NS_PER_SECOND = 1e9;
const SECONDS_PER_MINUTE = 60;

/**
 * Watches a run for whoever asks from outside. It only reads: what it counts itself, no state depends on. Everything is
 * given to it as soon as it is there, and until then has the values of nothing.
 */
export class Observer {
  readonly metrics = new Metrics();
  readonly troubles = new ProcfsTroubles();
  readonly links = new Links();
  readonly shortages: Shortages;
  readonly timers = {
    net_scrape_read: new Stopwatch((seconds) => this.metrics.durations.scan('sockets', seconds)),
    net_scrape_update: new Stopwatch(),
    net_fetch_state: new Stopwatch((seconds) => this.metrics.durations.tick(seconds)),
    net_create_message: new Stopwatch(),
    net_write_message: new Stopwatch(),
    process_info_wait: new Stopwatch(),
  };
  /** What the event loop is doing. */
  readonly activity = new Activity();
  /** Times that the event loop was noticed to stand still, in this run and at the end of the one before. */
  stalls = 0;
  probe: Probe | undefined;
  sensor: Sensor | undefined;
  reader: ArgumentReader | undefined;
  processes: ProcessState | undefined;
  containers: ContainerState | undefined;
  runtimeConfig: { readonly current: RuntimeConfig } | undefined;
  /** As of the self-check; see `readinessNow`. */
  readiness: Readiness = { is: 'waiting' };
  /** Lines of output dropped since nobody reads them. */
  unread = 0;
  /** Facts that are missing in a recording whose disk was too slow. */
  unrecorded: () => number = () => 0;
  /** Lines of the log dropped since nobody reads them. */
  unreadLogLines: () => number = () => 0;
  /** Connections to the HTTP servers that were cut to make room for others. */
  connectionsCut = 0;

  readonly #settings: Settings;
  readonly #log: Log;
  readonly #processScan = new Stopwatch((seconds) => this.metrics.durations.scan('processes', seconds));
  readonly #events = new EventMeter();
  readonly #lineage = new LineageCounts();
  readonly #peers: readonly PeerSummaries[];
  #network: ConnectionState | undefined;
  #programs: readonly ProgramCounts[] = [];
  readonly #counts = { deltas: 0, endpointDeltas: 0, networks: 0, addresses: 0, hits: 0, misses: 0, told: 0 };
  #lastReport: { readonly time: number; readonly created: Float64Array } | undefined;

  constructor(settings: Settings, version: string, log: Log) {
    this.#settings = settings;
    this.#log = log;
    this.shortages = new Shortages(log.throttled('warning'));
    const { connectionStatsQuantiles: quantiles, connectionStatsError: error } = settings;
    const targets = quantiles.map((quantile) => ({ quantile, error }));
    const summary = () => new WindowSummary(targets, settings.connectionStatsWindow * SECONDS_PER_MINUTE);
    this.#peers = settings.connectionStats
      ? peerKinds.map((kind) => ({ ...kind, total: summary(), rate: summary() }))
      : [];
    this.metrics.watch(this.#sources(version), settings.detailedMetrics);
  }

  /** What the BPF programs have counted, and how many processes were forgotten. */
  kernel(): KernelTotals {
    return kernelTotals(this.#readPrograms(), this.processes?.counts.evicted ?? 0);
  }

  /** Whether events flow, as of the self-check and of the latest look at the programs' links. */
  readinessNow(): Readiness {
    const { failure } = this.links;
    const isBlind = this.readiness.is === 'ready' && failure !== undefined;
    return isBlind ? { is: 'blind', cause: failure.message } : this.readiness;
  }

  /** Passes facts on, counts what they bring and times what follows from them. */
  watch(facts: Observable<Fact>): Observable<Fact> {
    return new Observable((subscriber) =>
      facts.subscribe({
        next: (fact) => this.#pass(fact, () => subscriber.next(fact)),
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  }

  /** The scanner, timed. */
  timed(scanner: Scanner): Scanner {
    return {
      sockets: () => timedScan(scanner.sockets(), this.timers.net_scrape_read, this.activity),
      processes: () => timedParts(scanner.processes(), this.#processScan, this.activity),
    };
  }

  /** Process signals are passed on. */
  signals(signals: readonly ProcessSignal[]): void {
    this.#counts.told += signals.length;
    this.#lineage.add(signals);
  }

  /** Who listens was asked for, and this is the answer. */
  originator(id: number): number {
    if (id === 0) this.#counts.misses++;
    else this.#counts.hits++;
    return id;
  }

  get network(): NetworkWatch {
    return {
      onState: (state) => (this.#network = state),
      onReport: (fact, connections, endpoints) => this.#reported(fact, connections, endpoints),
      scan: this.timers.net_scrape_update,
      report: this.timers.net_fetch_state,
    };
  }

  get introspection(): IntrospectionSources {
    const originator = (id: number) => this.processes!.originator(id);
    return {
      container: (id) => {
        const cgroup = this.containers?.cgroup(containerNumber(id));
        const metadata = this.containers?.metadata(id);
        return cgroup === undefined && metadata === undefined
          ? undefined
          : { ...(metadata && shownMetadata(metadata)), ...(cgroup !== undefined && { cgroup }) };
      },
      connections: (view) => this.#network?.connections({ ...view, originator }),
      endpoints: (view) => this.#network?.endpoints({ ...view, originator }),
      runtimeConfig: () => this.runtimeConfig?.current ?? withoutFile(this.#settings),
    };
  }

  #pass(fact: Fact, pass: () => void): void {
    this.activity.step = fact.kind;
    const start = performance.now();
    this.#events.take(fact);
    const taken = performance.now();
    pass();
    const passed = performance.now();
    this.activity.step = '';
    if (fact.kind === 'records') {
      this.#events.share('parse', (taken - start) * 1000);
      this.#events.share('process', (passed - taken) * 1000);
    } else if (fact.kind === 'control') {
      this.#counts.networks =
        (fact.networks?.length ?? this.#counts.networks * NETWORK_WORDS) / NETWORK_WORDS;
      this.#counts.addresses =
        (fact.publicAddresses?.length ?? this.#counts.addresses * NETWORK_WORDS) / NETWORK_WORDS;
    }
  }

  #reported({ time }: TickFact, connections: number, endpoints: number): void {
    this.#counts.deltas += connections;
    this.#counts.endpointDeltas += endpoints;
    const census = this.#network?.census;
    if (census === undefined) return;
    const now = time / NS_PER_SECOND;
    const before = this.#lastReport;
    this.#peers.forEach(({ total, rate }, kind) => {
      total.observe(census.known[kind]!, now);
      if (before === undefined || now <= before.time) return;
      rate.observe((census.created[kind]! - before.created[kind]!) / (now - before.time), now);
    });
    this.#lastReport = { time: now, created: census.created.slice() };
  }

  /** As they are now; when the probe has gone, as they were last. */
  #readPrograms(): readonly ProgramCounts[] {
    try {
      this.#programs = this.probe?.stats() ?? [];
    } catch (error) {
      // Closed, unless the system is only short of something.
      if (shortageOf(error) === undefined) this.probe = undefined;
    }
    return this.#programs;
  }

  #sources(version: string): Sources {
    const { timers } = this;
    return {
      version,
      timers,
      programs: () => this.#readPrograms(),
      tables: () => this.#tables(),
      losses: () => this.#losses(),
      readers: () => this.reader,
      streams: () => this.sensor?.streams ?? [],
      queue: () => this.sensor && { ...this.sensor.counts, capacity: this.#settings.signalQueueSize },
      selfCheckPassed: () => ({ waiting: undefined, ready: true, blind: false })[this.readiness.is],
      counters: () => ({
        net_conn_updates: this.#events.connectionUpdates,
        net_conn_deltas: this.#counts.deltas,
        net_conn_inactive: this.#network?.census.removed ?? 0,
        net_cep_updates: this.#events.endpointUpdates,
        net_cep_deltas: this.#counts.endpointDeltas,
        net_cep_inactive: this.#network?.unlistened ?? 0,
        net_known_ip_networks: this.#counts.networks,
        net_known_public_ips: this.#counts.addresses,
        net_conn_rate_limited: this.#network?.statistics.rateLimited ?? 0,
        net_cep_rate_limited: this.#network?.statistics.endpointsRateLimited ?? 0,
        process_lineage_counts: this.#lineage.signals,
        process_lineage_total: this.#lineage.ancestors,
        process_lineage_sqr_total: this.#lineage.squares,
        process_lineage_string_total: this.#lineage.bytes,
        process_info_hit: this.#counts.hits,
        process_info_miss: this.#counts.misses,
        rate_limit_flushing_counts: this.processes?.counts.throttleForgotten ?? 0,
      }),
      procfs: () => ({
        ...this.troubles.counts,
        procfs_could_not_read_cmdline: this.#argumentLosses().reduce((sum, { count }) => sum + count, 0),
        event_timestamp_distant_past: this.#events.distantPast,
        event_timestamp_future: this.#events.future,
      }),
      signals: () => ({
        sent: this.sensor?.sent ?? this.#counts.told,
        dropped: (this.sensor?.counts.dropped ?? 0) + (this.sensor?.counts.uncertain ?? 0),
        limited: this.processes?.counts.throttled ?? 0,
      }),
      events: () => this.#events.events,
      lineage: this.#lineage,
      threadCache: () => ({
        size: this.processes?.counts.processes ?? 0,
        evicted: this.processes?.counts.evicted ?? 0,
      }),
      connections: this.#peers,
      quantiles: this.#settings.connectionStatsQuantiles,
      suppressedLogLines: () => this.#log.suppressed,
      droppedLogLines: () => this.unreadLogLines(),
      shortages: this.shortages.counts,
      connectionsCut: () => this.connectionsCut,
      stalls: () => this.stalls,
    };
  }

  #tables(): TableCounts[] {
    const { processes, containers } = this;
    return [
      {
        name: 'processes',
        entries: processes?.counts.processes ?? 0,
        capacity: this.#settings.processTableSize,
        evicted: processes?.counts.evicted ?? 0,
      },
      ...(containers === undefined
        ? []
        : [
            {
              name: 'containers',
              entries: containers.size,
              capacity: containers.capacity,
              evicted: containers.evicted,
            },
            {
              name: 'container_names',
              entries: containers.names,
              capacity: MOST_NAMED,
              evicted: containers.namesEvicted,
            },
          ]),
      ...(this.#network?.tables ?? []).map(({ refused, ...table }) => ({ ...table, evicted: refused })),
    ];
  }

  #argumentLosses(): Loss[] {
    if (this.reader === undefined) return [];
    const { blocked, avoided, no_reader, unreadable } = this.reader.counts;
    return Object.entries({ blocked, avoided, no_reader, unreadable }).map(([cause, count]) => ({
      stage: 'arguments',
      cause,
      count,
    }));
  }

  #losses(): Loss[] {
    return [
      { stage: 'kernel', cause: 'program_detached', count: this.links.detached },
      ...this.#argumentLosses(),
      { stage: 'processes', cause: 'table_full', count: this.processes?.counts.evicted ?? 0 },
      { stage: 'processes', cause: 'originators_full', count: this.processes?.counts.nameless ?? 0 },
      { stage: 'connections', cause: 'table_full', count: this.#network?.statistics.refused ?? 0 },
      { stage: 'connections', cause: 'rate_limited', count: this.#network?.statistics.rateLost ?? 0 },
      { stage: 'recording', cause: 'disk_slow', count: this.unrecorded() },
      { stage: 'endpoints', cause: 'rate_limited', count: this.#network?.statistics.endpointsRateLost ?? 0 },
      ...(this.sensor === undefined
        ? [{ stage: 'output', cause: 'nobody_reads', count: this.unread }]
        : sensorLosses(this.sensor)),
    ];
  }
}

function sensorLosses({ counts, networkCounts }: Sensor): Loss[] {
  const stage = 'sensor';
  return [
    { stage, cause: 'queue_full', count: counts.dropped },
    { stage, cause: 'unconfirmed', count: counts.uncertain },
    { stage, cause: 'reports_full', count: networkCounts.dropped },
    { stage, cause: 'reports_unconfirmed', count: networkCounts.uncertain },
  ];
}

/** As `/state/containers` shows it. */
function shownMetadata(metadata: ContainerMetadata): Readonly<Record<string, unknown>> {
  const { namespace, pod, podUid, name, image, imageDigest, labels } = metadata;
  return { namespace, pod, pod_uid: podUid, name, image, image_digest: imageDigest, labels };
}

/** The scan, its time noted when it is over, without its pauses. */
function* timedScan(
  scan: ReturnType<Scanner['sockets']>,
  stopwatch: Stopwatch,
  activity: Activity,
): ReturnType<Scanner['sockets']> {
  let spent = 0;
  for (;;) {
    const start = performance.now();
    activity.step = 'scan of sockets';
    const { done, value } = scan.next();
    activity.step = '';
    spent += performance.now() - start;
    if (done === true) {
      stopwatch.add(spent);
      return value;
    }
    yield value;
  }
}

/** The same of a scan that waits for helpers, whose time counts too. */
async function* timedParts(
  scan: ReturnType<Scanner['processes']>,
  stopwatch: Stopwatch,
  activity: Activity,
): ReturnType<Scanner['processes']> {
  let spent = 0;
  for (;;) {
    const start = performance.now();
    activity.step = 'scan of processes';
    const part = scan.next(); // up to its first wait for a helper
    activity.step = '';
    const next = await part;
    spent += performance.now() - start;
    if (next.done === true) {
      stopwatch.add(spent);
      return;
    }
    yield next.value;
  }
}

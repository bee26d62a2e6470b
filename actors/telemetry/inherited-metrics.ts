import type { Family, Sample } from './family.js';
import {
  counterHelp,
  procfsHelp,
  timerNames,
  type CounterName,
  type PeerSummaries,
  type ProcfsName,
  type ProgramCounts,
  type Sources,
} from './publication.js';
import type { WindowSummary } from './window-summary.js';

/** Totals of the events in the kernel. */
export interface KernelTotals {
  readonly events: number;
  readonly drops: { readonly total: number; readonly ringbuffer: number; readonly threadcache: number };
  readonly preemptions: number;
}

/** @param evicted processes forgotten for want of room */
export function kernelTotals(programs: readonly ProgramCounts[], evicted: number): KernelTotals {
  const sum = (key: 'events' | 'lost' | 'overShare' | 'failed' | 'missed') =>
    programs.reduce((total, program) => total + program[key], 0);
  const ringbuffer = sum('lost') + sum('overShare');
  const preemptions = sum('missed');
  return {
    events: sum('events'),
    drops: {
      total: ringbuffer + preemptions + sum('failed') + evicted,
      ringbuffer,
      threadcache: evicted,
    },
    preemptions,
  };
}

/** Metrics by the names and types of the C++ collector, so that its dashboards work: hence gauges for totals. */
export function inheritedMetrics(sources: Sources, detailed: boolean): Family[] {
  return [
    ...connectionSummaries(sources),
    {
      name: 'rox_collector_timers',
      help:
        'Collector timers, by type: <timer>_events is how often it ran, <timer>_us_total and <timer>_times_us_total how ' +
        'long in all, <timer>_us_avg and <timer>_times_us_avg on average. process_info_wait stays 0: nothing waits here.',
      type: 'gauge',
      read: () => timerNames.flatMap((name) => timerSamples(name, sources)),
    },
    {
      name: 'rox_collector_counters',
      help: `Collector counters, by type. ${helpList({ ...counterHelp, ...procfsHelp })}`,
      type: 'gauge',
      read: () => samplesByType({ ...sources.counters(), ...sources.procfs() }),
    },
    {
      name: 'rox_collector_events',
      help: `Collector events, by type. ${helpList(eventHelp)} ${helpList(procfsHelp)}`,
      type: 'gauge',
      read: () => [...samplesByType(eventCounts(sources)), ...(detailed ? bracketed(sources) : [])],
    },
    ...(detailed ? typedEvents(sources) : []),
    {
      name: 'rox_collector_process_lineage_info',
      help:
        'Lineages of process signals: lineage_count is their number, lineage_avg the mean number of ancestors, ' +
        "lineage_avg_string_len the mean bytes of the ancestors' paths in one, std_dev the standard deviation of these bytes.",
      type: 'gauge',
      read: () => lineageSamples(sources),
    },
  ];
}

const eventHelp = {
  kernel: 'events that the BPF programs wrote',
  drops: 'what was dropped, for any cause',
  ringbufferDrops: 'events for which a ring buffer had no room',
  threadCacheDrops: 'processes forgotten for want of room, see ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE',
  preemptions: 'runs of programs that the kernel left out since the program was running already',
  userspace: 'events read from the ring buffers',
  grpcSendFailures: 'times that a stream to Sensor broke or could not be opened',
  threadCacheSize: 'processes remembered',
  processSent: 'process signals that left Collector',
  processSendFailures: 'process signals dropped before they could',
  processResolutionFailuresByEvt: 'execs whose event could not be built',
  processResolutionFailuresByTinfo:
    'processes found at the start that are not valid; stays 0, since the kernel lists none',
  processRateLimitCount: 'process signals held back by their rate limit',
} as const;

function eventCounts(sources: Sources): Readonly<Record<keyof typeof eventHelp | ProcfsName, number>> {
  const programs = sources.programs();
  const { size, evicted } = sources.threadCache();
  const { events: kernel, drops, preemptions } = kernelTotals(programs, evicted);
  const { sent, dropped, limited } = sources.signals();
  return {
    kernel,
    drops: drops.total,
    ringbufferDrops: drops.ringbuffer,
    threadCacheDrops: evicted,
    preemptions,
    userspace: sources.events().reduce((sum, { count }) => sum + count, 0),
    grpcSendFailures: sources.streams().reduce((sum, { breaks }) => sum + breaks, 0),
    threadCacheSize: size,
    processSent: sent,
    processSendFailures: dropped,
    processResolutionFailuresByEvt: programs
      .filter(({ program }) => program.includes('exec'))
      .reduce((sum, { failed }) => sum + failed, 0),
    processResolutionFailuresByTinfo: 0,
    processRateLimitCount: limited,
    ...sources.procfs(),
  };
}

/** The exit of a system call, in the words of the C++ collector: Collector sees events after they happened. */
const DIRECTION = '<';

/** The types written `userspace[syscall]` in the guide. */
function bracketed(sources: Sources): Sample[] {
  return sources.events().flatMap(({ name, count, times }) =>
    samplesByType({
      [`userspace[${name}${DIRECTION}]`]: count,
      [`parse_micros[${name}${DIRECTION}]`]: Math.round(times.parse),
      [`process_micros[${name}${DIRECTION}]`]: Math.round(times.process),
    }),
  );
}

/** Metrics by event type, their labels in the order of the guide's examples: people grep for its lines. */
function typedEvents(sources: Sources): Family[] {
  const times = (value: (microseconds: number, count: number) => number) => () =>
    sources.events().flatMap(({ name, count, times: { parse, process } }) =>
      Object.entries({ parse, process }).map(([step, microseconds]) => ({
        value: value(microseconds, count),
        labels: { event_dir: DIRECTION, event_type: name, step },
      })),
    );
  const shared =
    'The time of a batch is shared out among its events: no single one is measured. Step "parse": taking a batch in; ' +
    '"process": folding it and passing on what it gives.';
  return [
    {
      name: 'rox_collector_events_typed',
      help: 'Events read from the ring buffers, by their type.',
      type: 'gauge',
      read: () =>
        sources.events().map(({ name, count }) => ({
          value: count,
          labels: { event_dir: DIRECTION, event_type: name, quantity: 'userspace' },
        })),
    },
    {
      name: 'rox_collector_event_times_us_total',
      help: `Microseconds that events of a type took in all. ${shared}`,
      type: 'gauge',
      read: times((microseconds) => Math.round(microseconds)),
    },
    {
      name: 'rox_collector_event_times_us_avg',
      help: `Microseconds that an event of a type took on average. ${shared}`,
      type: 'gauge',
      read: times((microseconds, count) => (count === 0 ? 0 : microseconds / count)),
    },
  ];
}

function timerSamples(name: (typeof timerNames)[number], sources: Sources): Sample[] {
  const { laps, microseconds, mean } = sources.timer(name);
  return samplesByType({
    [`${name}_events`]: laps,
    [`${name}_us_total`]: Math.round(microseconds),
    [`${name}_us_avg`]: Math.round(mean),
    [`${name}_times_us_total`]: Math.round(microseconds),
    [`${name}_times_us_avg`]: Math.round(mean),
  });
}

function lineageSamples(sources: Sources): Sample[] {
  const { signals, ancestors, bytes, byteSquares } = sources.lineage();
  const mean = (sum: number) => (signals === 0 ? 0 : sum / signals);
  return samplesByType({
    lineage_count: signals,
    lineage_avg: mean(ancestors),
    // Rounding may turn 0 into a negative number.
    std_dev: Math.sqrt(Math.max(mean(byteSquares) - mean(bytes) ** 2, 0)),
    lineage_avg_string_len: mean(bytes),
  });
}

function connectionSummaries({ peers: allPeers, quantiles }: Sources): Family[] {
  if (quantiles === undefined) return [];
  const family = (name: string, help: string, of: (peers: PeerSummaries) => WindowSummary): Family => ({
    name,
    help,
    type: 'summary',
    read: () =>
      allPeers().flatMap((peers) => {
        const labels = { dir: peers.direction, peer: peers.peer };
        const summary = of(peers);
        return [
          { value: summary.count, labels, part: 'count' },
          { value: summary.sum, labels, part: 'sum' },
          ...quantiles.map((quantile) => ({
            value: summary.quantile(quantile),
            labels: { ...labels, quantile },
          })),
        ] as const;
      }),
  });
  return [
    family('rox_connections_total', 'Amount of stored connections over time', ({ total }) => total),
    family('rox_connections_rate', 'Rate of connections over time', ({ rate }) => rate),
  ];
}

function samplesByType(
  values: Readonly<Partial<Record<CounterName | ProcfsName, number>> | Record<string, number>>,
): Sample[] {
  return Object.entries(values).map(([type, value]) => ({ value, labels: { type } }));
}

function helpList(help: Readonly<Record<string, string>>): string {
  return `${Object.entries(help)
    .map(([name, text]) => `${name}: ${text}`)
    .join('; ')}.`;
}

import type { Plain } from '../protocol.js';
import type { ActorView, Model, Sample } from './model.js';
import { at, isRecord, listOf, numberOf, textOf } from './plain.js';

/** A place on the road of an event from the kernel to Sensor. */
export type Place =
  | 'kernel'
  | 'rings'
  | 'capture'
  | 'containers'
  | 'processes'
  | 'connections'
  | 'queue'
  | 'streams'
  | 'output';

/** A loss of the ledger where it happens. */
export interface LossView {
  readonly place: Place;
  readonly stage: string;
  readonly cause: string;
  readonly count: number;
  /** In the time covered by samples. */
  readonly recent: number;
}

export interface Fill {
  readonly name: string;
  readonly entries: number;
  readonly capacity: number;
  /** Entries forgotten or refused for want of room. */
  readonly evicted: number;
  readonly unit: 'entries' | 'bytes';
}

export interface StreamView {
  readonly name: string;
  readonly state: string;
  readonly breaks: number | undefined;
  /** Cause of the latest break. */
  readonly reason: string | undefined;
}

export interface EdgeView {
  readonly from: Place;
  readonly to: Place;
  /** Things on their way, such as `events`. */
  readonly what: string;
  /** Each second; undefined: not known. */
  readonly rate: number | undefined;
  /** In the time covered by samples; undefined: not known. */
  readonly recent: number | undefined;
  /** Rates of the last minute, oldest first. */
  readonly history: readonly number[];
}

export interface Road {
  /** Sensor's queue and streams, or the output in their place; undefined: no part is known yet. */
  readonly end: 'sensor' | 'output' | undefined;
  /** No part has counts yet. */
  readonly isEmpty: boolean;
  readonly edges: readonly EdgeView[];
  readonly fills: Readonly<Record<Place, readonly Fill[]>>;
  readonly losses: readonly LossView[];
  readonly lost: number;
  readonly recentlyLost: number;
  /** Time covered by recent counts, ms: a minute, less at first. */
  readonly span: number;
  readonly streams: readonly StreamView[];
  /** Counts in words beside the fills, by place. */
  readonly facts: Readonly<Record<Place, readonly FactView[]>>;
}

export interface FactView {
  readonly label: string;
  /** A count, its rate each second, ms, or bytes. */
  readonly value: number | undefined;
  readonly kind: 'count' | 'rate' | 'ms' | 'bytes';
}

/** Losses of a BPF program by their causes in the ledger. */
const KERNEL_CAUSES = [
  ['rings', 'ring_full', 'lost'],
  ['rings', 'over_share', 'overShare'],
  ['kernel', 'record_failed', 'failed'],
  ['kernel', 'program_busy', 'missed'],
] as const;

/** Places of losses by stage, then by cause. */
const PLACES: Readonly<Record<string, Place | Readonly<Record<string, Place>>>> = {
  kernel: 'kernel',
  arguments: 'capture',
  recording: 'capture',
  processes: 'processes',
  connections: 'connections',
  endpoints: 'connections',
  sensor: {
    unconfirmed: 'streams',
    reports_unconfirmed: 'streams',
    queue_full: 'queue',
    reports_full: 'queue',
  },
  output: 'output',
};

const PARTS = ['capture', 'containers', 'processes', 'connections', 'sensor', 'output'] as const;
const EXECS = ['execve', 'procexit', 'process'];
const SOCKETS = ['connect', 'accept', 'close', 'listen', 'unlisten'];
const MS_PER_SECOND = 1000;
const US_PER_MS = 1000;

type Part = (typeof PARTS)[number];
/** Reads a running count. */
type Read = (counts: Plain) => number | undefined;

/** The counts of all parts on their road. */
export function road(model: Model): Road {
  const parts = partsOf(model);
  const samples = (part: Part): readonly Sample[] => {
    const actor = parts.get(part);
    return actor === undefined ? [] : model.samples(actor.path);
  };
  const counts = (part: Part): Plain | undefined => samples(part).at(-1)?.counts;
  const end = parts.has('sensor') ? 'sensor' : parts.has('output') ? 'output' : undefined;
  const edge = (from: Place, to: Place, what: string, part: Part, read: Read): EdgeView => ({
    from,
    to,
    what,
    rate: rateOf(samples(part), read),
    recent: increaseOf(samples(part), read),
    history: historyOf(samples(part), read),
  });
  const last = end === 'output' ? 'output' : 'queue';
  const edges = [
    edge('kernel', 'rings', 'records', 'capture', sumOf('programs', 'events')),
    edge('rings', 'capture', 'events', 'capture', eventsOf()),
    edge('capture', 'containers', 'processes seen', 'capture', eventsOf(['execve', 'process'])),
    edge('capture', 'processes', 'execs, exits', 'capture', eventsOf(EXECS)),
    edge('capture', 'connections', 'socket events', 'capture', eventsOf(SOCKETS)),
    edge('processes', last, 'process signals', 'processes', counter('process_lineage_counts')),
    edge('connections', last, 'changes reported', 'connections', reported),
    ...(end === 'output'
      ? []
      : [edge('queue', 'streams', 'signals sent', 'sensor', (all) => numberOf(at(all, 'signals', 'sent')))]),
  ];
  const losses = PARTS.flatMap((part) => lossesOf(part, samples(part)));
  return {
    end,
    isEmpty: parts.size === 0,
    edges,
    fills: {
      kernel: [],
      rings: ringsOf(counts('capture')),
      capture: [],
      containers: tablesOf(counts('containers')),
      processes: tablesOf(counts('processes')),
      connections: tablesOf(counts('connections')),
      queue: queueOf(counts('sensor')),
      streams: [],
      output: [],
    },
    losses,
    lost: losses.reduce((sum, { count }) => sum + count, 0),
    recentlyLost: losses.reduce((sum, { recent }) => sum + recent, 0),
    span: spanOf(samples('capture')),
    streams: streamsOf(model, counts('sensor')),
    facts: {
      kernel: [
        { label: 'BPF programs', value: programsOf(counts('capture')), kind: 'count' },
        {
          label: 'left out on purpose',
          value: rateOf(samples('capture'), sumOf('programs', 'skipped')),
          kind: 'rate',
        },
      ],
      rings: [
        {
          label: 'in the fullest',
          value: numberOf(at(counts('capture'), 'rings', 'fullest')),
          kind: 'bytes',
        },
      ],
      capture: factsOf(samples('capture')),
      containers: [],
      processes: [
        { label: 'held by rate limit', value: rateOf(samples('processes'), limited), kind: 'rate' },
      ],
      connections: [
        { label: 'ended and dropped', value: rateOf(samples('connections'), ended), kind: 'rate' },
        { label: 'a report takes', value: meanOf(counts('connections'), 'net_fetch_state'), kind: 'ms' },
      ],
      queue: [
        {
          label: 'signals waiting',
          value: numberOf(at(counts('sensor'), 'queue', 'waiting')),
          kind: 'count',
        },
        {
          label: 'sent once more',
          value: numberOf(at(counts('sensor'), 'queue', 'repeated')),
          kind: 'count',
        },
      ],
      streams: [],
      output: [
        { label: 'signals printed', value: numberOf(at(counts('output'), 'signals', 'sent')), kind: 'count' },
      ],
    },
  };
}

/** Increase each second between the last two samples; undefined: there is one, or the count went back. */
export function rateOf(samples: readonly Sample[], read: Read): number | undefined {
  const [before, now] = samples.slice(-2);
  if (before === undefined || now === undefined || now.time <= before.time) return undefined;
  const from = read(before.counts);
  const to = read(now.counts);
  if (from === undefined || to === undefined || to < from) return undefined;
  return ((to - from) * MS_PER_SECOND) / (now.time - before.time);
}

/** Increase over all samples, a minute at most; undefined: not known. */
function increaseOf(samples: readonly Sample[], read: Read): number | undefined {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const from = read(first.counts);
  const to = read(last.counts);
  return from === undefined || to === undefined || to < from ? undefined : to - from;
}

function spanOf(samples: readonly Sample[]): number {
  const [first] = samples;
  return first === undefined ? 0 : samples.at(-1)!.time - first.time;
}

function historyOf(samples: readonly Sample[], read: Read): number[] {
  return samples.slice(1).map((_, index) => rateOf(samples.slice(index, index + 2), read) ?? 0);
}

function partsOf({ actors }: Model): Map<Part, ActorView> {
  const found = new Map<Part, ActorView>();
  for (const actor of actors) {
    const part = PARTS.find((name) => name === actor.id);
    if (part !== undefined && actor.chart === undefined) found.set(part, actor);
  }
  return found;
}

function lossesOf(part: Part, samples: readonly Sample[]): LossView[] {
  const now = ledger(part, samples.at(-1)?.counts);
  const before = ledger(part, samples[0]?.counts);
  return [...now].map(([key, loss]) => {
    const increase = loss.count - (before.get(key)?.count ?? 0);
    return { ...loss, recent: Math.max(0, increase) };
  });
}

/** Losses by stage and cause. */
function ledger(part: Part, counts: Plain | undefined): Map<string, Omit<LossView, 'recent'>> {
  const found = new Map<string, Omit<LossView, 'recent'>>();
  const add = (place: Place, stage: string, cause: string, count: number) => {
    const key = `${stage} ${cause}`;
    found.set(key, { place, stage, cause, count: count + (found.get(key)?.count ?? 0) });
  };
  if (part === 'capture' && at(counts, 'programs') !== undefined)
    for (const [place, cause, key] of KERNEL_CAUSES)
      add(place, 'kernel', cause, sumOf('programs', key)(counts!) ?? 0);
  for (const loss of listOf(at(counts, 'losses'))) {
    const stage = textOf(at(loss, 'stage')) ?? part;
    const cause = textOf(at(loss, 'cause')) ?? 'unknown';
    add(placeOf(part, stage, cause), stage, cause, numberOf(at(loss, 'count')) ?? 0);
  }
  return found;
}

function placeOf(part: Part, stage: string, cause: string): Place {
  const place = PLACES[stage];
  const found = typeof place === 'object' ? place[cause] : place;
  return found ?? (part === 'sensor' ? 'queue' : part);
}

function tablesOf(counts: Plain | undefined): Fill[] {
  return listOf(at(counts, 'tables')).map((table) => ({
    name: textOf(at(table, 'name')) ?? '',
    entries: numberOf(at(table, 'entries')) ?? 0,
    capacity: numberOf(at(table, 'capacity')) ?? 0,
    evicted: numberOf(at(table, 'evicted')) ?? 0,
    unit: 'entries',
  }));
}

/** Fill of the ring buffers, all together. */
function ringsOf(counts: Plain | undefined): Fill[] {
  const rings = at(counts, 'rings');
  if (!isRecord(rings)) return [];
  const entries = numberOf(rings['waiting']) ?? 0;
  const capacity = numberOf(rings['capacity']) ?? 0;
  return [{ name: 'waiting', entries, capacity, evicted: 0, unit: 'bytes' }];
}

function queueOf(counts: Plain | undefined): Fill[] {
  const queue = at(counts, 'queue');
  if (!isRecord(queue)) return [];
  const entries = numberOf(queue['bytes']) ?? 0;
  const capacity = numberOf(queue['capacity']) ?? 0;
  return [{ name: 'queue', entries, capacity, evicted: 0, unit: 'bytes' }];
}

/** Each stream as its actor has it, and of others as the part counts them. */
function streamsOf(model: Model, counts: Plain | undefined): StreamView[] {
  const counted = listOf(at(counts, 'streams'));
  const actors = model.actors.filter(({ chart }) => chart === 'stream');
  const named = (name: string) => counted.find((stream) => at(stream, 'name') === name);
  const views = actors.map((actor): StreamView => ({
    name: actor.id,
    state: streamState(actor),
    breaks: numberOf(at(named(actor.id), 'breaks')) ?? numberOf(at(actor.snapshot.context, 'breaks')),
    reason: lastBreak(model, actor),
  }));
  const others = counted
    .filter((stream) => !actors.some(({ id }) => id === at(stream, 'name')))
    .map((stream): StreamView => ({
      name: textOf(at(stream, 'name')) ?? '',
      state: textOf(at(stream, 'state')) ?? 'unknown',
      breaks: numberOf(at(stream, 'breaks')),
      reason: undefined,
    }));
  return [...views, ...others];
}

/** Key of an actor's innermost state, such as `backing off`. */
export function streamState({ snapshot: { active, status } }: ActorView): string {
  if (status !== 'active') return 'stopped';
  return active.at(-1)?.split('.').at(-1) ?? 'unknown';
}

/** Cause of the latest break of a stream not open now. */
function lastBreak(model: Model, actor: ActorView): string | undefined {
  if (streamState(actor) === 'open') return undefined;
  const step = model.steps(actor.actor).findLast(({ event }) => event.type === 'broken');
  return textOf(at(actor.snapshot.context, 'reason')) ?? textOf(at(step?.event.fields, 'reason'));
}

function programsOf(counts: Plain | undefined): number | undefined {
  const programs = listOf(at(counts, 'programs'));
  return programs.length === 0
    ? undefined
    : new Set(programs.map((program) => textOf(at(program, 'program')))).size;
}

/** Facts by kind: records come in batches each second, the others seldom. */
function factsOf(samples: readonly Sample[]): FactView[] {
  const facts = at(samples.at(-1)?.counts, 'facts');
  if (!isRecord(facts)) return [];
  const batches = rateOf(samples, (counts) => numberOf(at(counts, 'facts', 'records')));
  return [
    { label: 'batches of records', value: batches, kind: 'rate' },
    { label: 'scans', value: numberOf(facts['scan']), kind: 'count' },
    { label: 'ticks', value: numberOf(facts['tick']), kind: 'count' },
  ];
}

/** Mean time of a lap, ms. */
function meanOf(counts: Plain | undefined, timer: string): number | undefined {
  const laps = numberOf(at(counts, 'timers', timer, 'laps')) ?? 0;
  const microseconds = numberOf(at(counts, 'timers', timer, 'microseconds'));
  return laps === 0 || microseconds === undefined ? undefined : microseconds / laps / US_PER_MS;
}

function sumOf(list: string, key: string): Read {
  return (counts) => {
    const rows = listOf(at(counts, list));
    if (rows.length === 0) return undefined;
    return rows.reduce<number>((sum, row) => sum + (numberOf(at(row, key)) ?? 0), 0);
  };
}

/** @param names undefined: all events */
function eventsOf(names?: readonly string[]): Read {
  return (counts) => {
    const rows = listOf(at(counts, 'events'));
    if (rows.length === 0) return undefined;
    return rows
      .filter((row) => names === undefined || names.includes(textOf(at(row, 'name')) ?? ''))
      .reduce<number>((sum, row) => sum + (numberOf(at(row, 'count')) ?? 0), 0);
  };
}

function counter(name: string): Read {
  return (counts) => numberOf(at(counts, 'counters', name));
}

function reported(counts: Plain): number | undefined {
  const connections = counter('net_conn_deltas')(counts);
  const endpoints = counter('net_cep_deltas')(counts);
  return connections === undefined && endpoints === undefined
    ? undefined
    : (connections ?? 0) + (endpoints ?? 0);
}

function limited(counts: Plain): number | undefined {
  return numberOf(at(counts, 'signals', 'limited'));
}

function ended(counts: Plain): number | undefined {
  return counter('net_conn_inactive')(counts);
}

import type { Stopwatch } from './stopwatch.js';
import type { WindowSummary } from './window-summary.js';

/** Counts of one BPF program since it was loaded. */
export interface ProgramCounts {
  readonly program: string;
  readonly events: number;
  readonly lost: number;
  readonly skipped: number;
  readonly failed: number;
  readonly overShare: number;
  readonly missed: number;
  /** 0 unless the kernel measures them. */
  readonly runs: number;
  readonly runNs: number;
}

export interface TableCounts {
  readonly name: string;
  readonly entries: number;
  /** How many anybody may add. */
  readonly capacity: number;
  /** Entries refused or forgotten for want of room, ever. */
  readonly evicted: number;
}

/** A loss, with its place and its cause: the labels of the loss ledger. */
export interface Loss {
  readonly stage: string;
  readonly cause: string;
  readonly count: number;
}

/** Helper processes given up because a watched process held them up. */
export interface ReaderStatus {
  /** Ever. */
  readonly replaced: number;
  /** Still there. */
  readonly leftBehind: number;
}

export interface StreamStatus {
  readonly name: string;
  readonly state: string;
  /** Times it broke or could not be opened. */
  readonly breaks: number;
}

export interface QueueStatus {
  readonly waiting: number;
  readonly bytes: number;
  readonly capacity: number;
  /** Signals sent once more after a stream broke. */
  readonly repeated: number;
}

/** Bytes of records that wait in the ring buffers: of all, of the fullest one, and what they hold at most. */
export interface RingCounts {
  readonly waiting: number;
  readonly fullest: number;
  readonly capacity: number;
}

export interface TypedEvents {
  readonly name: string;
  readonly count: number;
  /** µs, by step. */
  readonly times: Readonly<Record<'parse' | 'process', number>>;
}

/** Sums over all lineages: see `LineageCounts`. */
export interface LineageSums {
  readonly signals: number;
  readonly ancestors: number;
  readonly squares: number;
  readonly bytes: number;
  readonly byteSquares: number;
}

/** How many connections there are of one kind, and how fast they are made: one value an interval each. */
export interface PeerSummaries {
  readonly direction: string;
  readonly peer: string;
  readonly total: WindowSummary;
  readonly rate: WindowSummary;
}

/** Process signals by their fate. */
export interface SignalCounts {
  /** Left this process. */
  readonly sent: number;
  /** Dropped before they could leave. */
  readonly dropped: number;
  /** Withheld by the rate limit. */
  readonly limited: number;
}

/** The process table. */
export interface ThreadCache {
  readonly size: number;
  /** Forgotten for want of room. */
  readonly evicted: number;
}

/** The names of the guide's timers. */
export const timerNames = [
  'net_scrape_read',
  'net_scrape_update',
  'net_fetch_state',
  'net_create_message',
  'net_write_message',
  'process_info_wait',
] as const;
export type TimerName = (typeof timerNames)[number];

/** The guide's counters by name, each with its meaning here. */
export const counterHelp = {
  net_conn_updates: 'times that an event or a scan told of a connection',
  net_conn_deltas: 'connections in reports',
  net_conn_inactive: 'connections that ended and were dropped',
  net_cep_updates: 'times that an event or a scan told of a listening socket',
  net_cep_deltas: 'endpoints in reports',
  net_cep_inactive: 'listening sockets that ended and were dropped',
  net_known_ip_networks: 'networks that Sensor has told of',
  net_known_public_ips: 'public addresses that Sensor has told of',
  net_conn_rate_limited: 'times that a report had no room for a new connection, which waits for the next',
  net_cep_rate_limited: 'times that a report had no room for a new endpoint',
  process_lineage_counts: 'process signals',
  process_lineage_total: 'ancestors in them',
  process_lineage_sqr_total: 'squared numbers of their ancestors, summed up',
  process_lineage_string_total: "bytes of their ancestors' paths",
  process_info_hit: 'times that the process of an endpoint was known when asked for',
  process_info_miss: 'times that it was not; nothing waits for it',
  rate_limit_flushing_counts: 'processes that the rate limit of process signals forgot for want of room',
} as const;
export type CounterName = keyof typeof counterHelp;

/** Counters with two places: rox_collector_events in the guide, rox_collector_counters in the existing product. */
export const procfsHelp = {
  procfs_could_not_get_network_namespace: 'network namespaces of processes that could not be read',
  procfs_could_not_get_socket_inodes: 'processes whose sockets could not be listed',
  procfs_could_not_open_fd_dir: '/proc/<pid>/fd that could not be opened',
  procfs_could_not_open_pid_dir: '/proc/<pid> that could not be opened',
  procfs_could_not_open_proc_dir: '/proc that could not be opened',
  procfs_could_not_read_cmdline: '/proc/<pid>/cmdline that could not be read',
  procfs_could_not_read_exe: '/proc/<pid>/exe that could not be read',
  procfs_zombie_process: 'zombies met',
  event_timestamp_distant_past: 'events older than an hour when they were read',
  event_timestamp_future: 'events later than when they were read',
} as const;
export type ProcfsName = keyof typeof procfsHelp;

/**
 * The counts published by a part. Functions are called at a scrape, and once a second during an inspection: they read
 * counts kept anyway. A list is appended to the lists of other parts, a record is merged with theirs.
 */
export interface Publication {
  readonly programs?: () => readonly ProgramCounts[];
  readonly tables?: () => readonly TableCounts[];
  /** Beside the losses of the programs. */
  readonly losses?: () => readonly Loss[];
  readonly streams?: () => readonly StreamStatus[];
  readonly events?: () => readonly TypedEvents[];
  readonly peers?: () => readonly PeerSummaries[];

  readonly counters?: () => Readonly<Partial<Record<CounterName, number>>>;
  readonly procfs?: () => Readonly<Partial<Record<ProcfsName, number>>>;
  readonly signals?: () => Readonly<Partial<SignalCounts>>;
  readonly timers?: Readonly<Partial<Record<TimerName, Stopwatch>>>;

  /** Helpers for reading arguments. */
  readonly readers?: () => ReaderStatus;
  readonly queue?: () => QueueStatus;
  readonly lineage?: LineageSums;
  readonly threadCache?: () => ThreadCache;
  /** undefined: the self-check is not over. */
  readonly selfCheckPassed?: () => boolean | undefined;
  /** Times when work was put off by a shortage, by the error's name. */
  readonly shortages?: ReadonlyMap<string, number>;
  readonly suppressedLogLines?: () => number;
  readonly droppedLogLines?: () => number;
  /** Facts by kind; like the three after it, for an inspection alone. */
  readonly facts?: () => Readonly<Record<string, number>>;
  readonly rings?: () => RingCounts | undefined;
  /** Why events are missing now. */
  readonly problem?: () => Error | undefined;
  /** The queue of network reports. */
  readonly reportQueue?: () => QueueStatus;
  /** Connections to the HTTP servers, cut to make room for others. */
  readonly connectionsCut?: () => number;
  /** Stalls of the event loop. */
  readonly stalls?: () => number;
}

/** All publications as one, complete: the values of a scrape. */
export interface Sources extends Required<
  Omit<
    Publication,
    | 'counters'
    | 'procfs'
    | 'signals'
    | 'timers'
    | 'readers'
    | 'queue'
    | 'lineage'
    | 'facts'
    | 'rings'
    | 'problem'
    | 'reportQueue'
  >
> {
  readonly version: string;
  /** Quantiles of connection counts; undefined: without these metrics. */
  readonly quantiles: readonly number[] | undefined;
  readonly counters: () => Readonly<Record<CounterName, number>>;
  readonly procfs: () => Readonly<Record<ProcfsName, number>>;
  readonly signals: () => SignalCounts;
  readonly timer: (name: TimerName) => Stopwatch;
  readonly readers: () => ReaderStatus | undefined;
  /** undefined without a Sensor. */
  readonly queue: () => QueueStatus | undefined;
  readonly lineage: () => LineageSums;
}

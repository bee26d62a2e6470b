import type {
  ActorMessage,
  EventMessage,
  HelloMessage,
  SnapshotMessage,
  TransitionMessage,
} from '../inspection/protocol.js';
import type { RuntimeConfig } from '../settings/runtime-config.js';
import type { Records } from './records.js';

/**
 * The only input of the state. State is a fold over facts and reads no clock, so a run is its facts.
 * `time` is CLOCK_BOOTTIME in ns: the clock of the kernel's records, going on during suspend and never jumping.
 */
export type Fact =
  StartFact | RecordsFact | ScanFact | ControlFact | ConfigFact | ContainersFact | ClockFact | TickFact;

/** First fact of a run, needed to read the later ones. */
export interface StartFact {
  readonly kind: 'start';
  readonly time: number;
  /** Unix time minus CLOCK_BOOTTIME, ns. Ticks carry it anew, since the wall clock can be set. */
  readonly epoch: number;
  /** 15 hexadecimal digits drawn for this run; the ids of its signals start with them. */
  readonly seed: string;
  /** The settings that shape state and output, validated. */
  readonly settings: StateSettings;
}

/** Events of all CPUs, oldest first but for the microseconds that writing a record takes. */
export interface RecordsFact {
  readonly kind: 'records';
  readonly time: number;
  readonly records: Records;
}

/**
 * A complete listing of the processes (`RecordType.process`) or sockets (`RecordType.socket`) existing now.
 *
 * Sockets: `time` is the start of the scan. Many of them come in several facts, with nothing between but other parts;
 * only the last completes the scan.
 *
 * Processes always come in parts, with other facts between them: each record has the time of its listing. A scan
 * starts with an empty part; a start before the last part means the scan under way was given up.
 */
export interface ScanFact {
  readonly kind: 'scan';
  readonly of: 'processes' | 'sockets';
  /** Absent: all is in this one, as in small scans of sockets, and in old recordings. */
  readonly part?: 'first' | 'next' | 'last';
  /**
   * Of sockets: records were lost since the scan before, so an end may be among them. The scan then ends every socket
   * missing from it, of any owner. Set on the last part.
   */
  readonly afterLoss?: true;
  /** Audience of the scanned processes. Sockets are not reported before the next tick. */
  readonly audience: Audience;
  readonly time: number;
  readonly records: Records;
}

/** Sensor's lists of addresses, in rows of `NETWORK_WORDS` words; an absent list stays as it is. */
export interface ControlFact {
  readonly kind: 'control';
  readonly time: number;
  /** Public addresses of the cluster: networks of full length. */
  readonly publicAddresses?: Uint32Array<ArrayBuffer>;
  /** Networks known to Sensor. */
  readonly networks?: Uint32Array<ArrayBuffer>;
}

/**
 * A network in a control fact: AF_INET or AF_INET6, the prefix's length, then its address in 4 words, most significant
 * first. Words behind an IPv4 address and bits behind the prefix are zero.
 */
export const NETWORK_WORDS = 6;

/** Another runtime configuration is in force from here on. */
export interface ConfigFact extends RuntimeConfig {
  readonly kind: 'config';
  readonly time: number;
}

/** A container runtime's changes to its containers since its last report. */
export interface ContainersFact {
  readonly kind: 'containers';
  readonly time: number;
  readonly updated: readonly ContainerMetadata[];
  /** Ids of containers removed by the runtime. */
  readonly removed: readonly string[];
}

/** Names of a container. The text is the runtime's: not printable as it is. */
export interface ContainerMetadata {
  /** 12 lower-case hexadecimal digits. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  /** Empty for the sandbox, the holder of its pod's namespaces. */
  readonly name: string;
  /** As in the pod's specification, where the runtime still knows; empty for a sandbox. */
  readonly image: string;
  /** `sha256:…` of the image's manifest; empty for an image from no registry. */
  readonly imageDigest: string;
  /** The pod's and the container's own. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Somebody has set the system's clock: wall-clock times from here on are by the new one. */
export interface ClockFact {
  readonly kind: 'clock';
  readonly time: number;
  readonly epoch: number;
}

/** The report is due. */
export interface TickFact {
  readonly kind: 'tick';
  readonly time: number;
  readonly epoch: number;
  readonly audience: Audience;
}

/** Everything in a recording: facts, and beside them the lifecycle of the run. */
export type RecordedFact = Fact | LifecycleFact;

/**
 * Transitions of the run's actors, kept for viewers of the recording: no state folds them. Those of the start-up follow
 * the start, with earlier times.
 */
export interface LifecycleFact {
  readonly kind: 'lifecycle';
  readonly time: number;
  readonly messages: readonly LifecycleMessage[];
}

/** A message of an inspection about the run, an actor with a chart, or the life of any actor. */
export type LifecycleMessage =
  HelloMessage | ActorMessage | SnapshotMessage | TransitionMessage | EventMessage;

/**
 * Audience of a report: the same as of the last, a fresh one in need of the full state, or none, so nothing counts as
 * reported.
 */
export type Audience = 'same' | 'fresh' | 'none';

/** The settings that shape a run's output, and its first runtime configuration. */
export interface StateSettings extends RuntimeConfig {
  readonly scope: 'containers' | 'all';
  readonly format: 'json' | 'compact';
  /** Most processes remembered. */
  readonly processTableSize: number;
  /** Seconds between report ticks. */
  readonly scrapeInterval: number;
  /** Seconds for which a closed connection still counts as active; 0 reports every change. */
  readonly afterglowPeriod: number;
  /** Report listening endpoints. */
  readonly endpoints: boolean;
  /** Report the process of each endpoint. */
  readonly originators: boolean;
  /** Report nothing of the network. */
  readonly networkDisabled: boolean;
  /** Report nothing of port 9 over UDP. */
  readonly dropIgnored: boolean;
  /** Networks in CIDR form whose peers are never reported. */
  readonly ignoredNetworks: readonly string[];
  /** Networks in CIDR form that are never aggregated as external. */
  readonly nonAggregatedNetworks: readonly string[];
}

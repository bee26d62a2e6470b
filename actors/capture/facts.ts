import type { RuntimeConfig } from '../settings/runtime-config.js';
import type { Records } from './records.js';

/**
 * Everything that can enter the state. State is a fold over these and reads no clock, so a run is its facts.
 * `time` is CLOCK_BOOTTIME in ns: the clock of the kernel's records, which goes on during suspend and never jumps.
 */
export type Fact =
  StartFact | RecordsFact | ScanFact | ControlFact | ConfigFact | ContainersFact | ClockFact | TickFact;

/** First fact of a run: what the later ones have to be read with. */
export interface StartFact {
  readonly kind: 'start';
  readonly time: number;
  /** Unix time minus CLOCK_BOOTTIME, ns. Ticks carry it anew, since the wall clock can be set. */
  readonly epoch: number;
  /** 15 hexadecimal digits drawn for this run; the ids of its signals start with them. */
  readonly seed: string;
  /** The settings that shape state and output, as validated. */
  readonly settings: StateSettings;
}

/** Events of all CPUs, oldest first but for the microseconds that a record takes to be written. */
export interface RecordsFact {
  readonly kind: 'records';
  readonly time: number;
  readonly records: Records;
}

/**
 * What runs now: processes (`RecordType.process`) or sockets (`RecordType.socket`), complete.
 *
 * Sockets: `time` is when the scan began. Many of them come in parts, with nothing between them but other parts:
 * several facts, of which only the last completes it.
 *
 * Processes always come in parts, with other facts between them: records say when each process was listed. A scan
 * starts with an empty part; a start before the last part means that the scan under way was given up.
 */
export interface ScanFact {
  readonly kind: 'scan';
  readonly of: 'processes' | 'sockets';
  /** Absent: all is in this one, as in small scans of sockets, and in old recordings. */
  readonly part?: 'first' | 'next' | 'last';
  /**
   * Of sockets: records were lost since the scan before, so an end may be among them. The scan then ends what it does
   * not list, whoever owns it; on the last part.
   */
  readonly afterLoss?: true;
  /** Who hears of the processes that are found. Sockets are not told before the next tick. */
  readonly audience: Audience;
  readonly time: number;
  readonly records: Records;
}

/** What Sensor told about addresses; a list that is not given stays as it is. Rows of `NETWORK_WORDS` words each. */
export interface ControlFact {
  readonly kind: 'control';
  readonly time: number;
  /** Public addresses of the cluster: networks of full length. */
  readonly publicAddresses?: Uint32Array<ArrayBuffer>;
  /** Networks that Sensor knows. */
  readonly networks?: Uint32Array<ArrayBuffer>;
}

/**
 * A network in a control fact: AF_INET or AF_INET6, the prefix's length, then its address in 4 words, most significant
 * first, those behind an IPv4 address and the bits behind the prefix being zero.
 */
export const NETWORK_WORDS = 6;

/** Another runtime configuration is in force from here on. */
export interface ConfigFact extends RuntimeConfig {
  readonly kind: 'config';
  readonly time: number;
}

/** What a container runtime tells of containers, as far as it is other than what it told before. */
export interface ContainersFact {
  readonly kind: 'containers';
  readonly time: number;
  readonly updated: readonly ContainerMetadata[];
  /** Ids of containers that the runtime has removed. */
  readonly removed: readonly string[];
}

/** What a container is called. The text is the runtime's: not to be shown on a terminal as it is. */
export interface ContainerMetadata {
  /** 12 lower-case hexadecimal digits. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  /** Empty for the sandbox, which holds the namespaces of its pod. */
  readonly name: string;
  /** As in the pod's specification, where the runtime still knows; empty for a sandbox. */
  readonly image: string;
  /** `sha256:…` of the image's manifest; empty for an image that came from no registry. */
  readonly imageDigest: string;
  /** The pod's and the container's own. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Somebody has set the system's clock: times of what happens from here on are by the new one. */
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

/**
 * Who hears what there is to tell: the one who heard the last, somebody who has heard nothing yet and needs all there
 * is, or nobody, so that nothing counts as told.
 */
export type Audience = 'same' | 'fresh' | 'none';

/** The part of the settings that a run's output depends on, and the runtime configuration that it starts with. */
export interface StateSettings extends RuntimeConfig {
  readonly scope: 'containers' | 'all';
  readonly format: 'json' | 'compact';
  /** Processes that are remembered at most. */
  readonly processTableSize: number;
  /** Seconds between report ticks. */
  readonly scrapeInterval: number;
  /** Seconds that a closed connection still counts as open; 0 reports every change. */
  readonly afterglowPeriod: number;
  /** Report listening endpoints. */
  readonly endpoints: boolean;
  /** Report the process that an endpoint belongs to. */
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

/**
 * What the command `collector` and a running Collector say to each other: HTTP/1.1 over the command's socket, or over
 * the HTTP server where introspection is on. Lists and events are lines of JSON, one row each; empty lines are signs of
 * life. Times are Unix time in ms. Filters are parameters: see `parseFilter`.
 */
import type { EventFeed } from './events.js';
import type { FilterField } from './filter.js';
import type { NodeSources } from './node-view.js';
import type { ActorMessage, ConnectionRow, ContainerRef, ContainerRow, ListeningRow } from './protocol.js';
import type { Loss, QueueStatus, StreamStatus, TableCounts } from '../telemetry/publication.js';

/** Increased with incompatible changes of this file. */
export const ASK_PROTOCOL = 1;
/** The header with it in every answer; a daemon without it is no Collector, or an older one. */
export const PROTOCOL_HEADER = 'X-Collector-Ask';

/** Lines of /ask/events beside rows. */
export interface EventNotice {
  /** Time of the oldest event kept; the first line. */
  readonly oldest?: number;
  /** Events left out since the line before, since the client was slow or there were too many in a second. */
  readonly missed?: number;
}

/** GET /ask/processes. */
export interface ProcessAnswer extends ContainerRef {
  readonly pid: number;
  /** 0: its parent is not in the container, or not known. */
  readonly parent: number;
  readonly process: string;
  readonly args: string;
  readonly uid: number;
  readonly started: number;
}

/** GET /ask/connections. */
export interface ConnectionAnswer extends ContainerRef, ConnectionRow {
  readonly container: string;
  /** Path and arguments of the process; empty: it is gone, or not known. */
  readonly process: string;
  readonly args: string;
  /** Start of the process; absent: not known. */
  readonly started?: number | undefined;
  /** `namespace/pod` on this node that has the remote address; absent: none, or several. */
  readonly peer?: string;
}

/** GET /ask/listening. */
export interface ListeningAnswer extends ContainerRef, ListeningRow {
  readonly container: string;
}

/** GET /ask/containers. */
export interface ContainerAnswer extends ContainerRow {
  readonly processes: number;
  readonly connections: number;
  readonly listening: number;
  /** Start of its oldest process; absent: none is known. */
  readonly started?: number;
}

/** The lists, with the fields each can be filtered by. */
export const listFields = {
  processes: ['namespace', 'pod', 'container', 'process', 'args', 'user', 'host'],
  connections: ['namespace', 'pod', 'container', 'process', 'args', 'port', 'address', 'host'],
  listening: ['namespace', 'pod', 'container', 'process', 'args', 'port', 'host'],
  containers: ['namespace', 'pod', 'container', 'host'],
} as const satisfies Readonly<Record<string, readonly FilterField[]>>;

export type ListName = keyof typeof listFields;

export const eventFields: readonly FilterField[] = [
  'namespace',
  'pod',
  'container',
  'process',
  'args',
  'user',
  'port',
  'address',
  'event',
  'host',
];

/** Cost and losses of one BPF program. */
export interface ProgramView {
  readonly program: string;
  readonly events: number;
  readonly lost: number;
  readonly runs: number;
  readonly runNs: number;
}

/** GET /ask/status. */
export interface StatusView {
  readonly time: number;
  readonly version: string;
  readonly node: string;
  readonly release: string;
  readonly nodeJs: string;
  readonly pid: number;
  /** Start of Collector. */
  readonly started: number;
  /** Why it is not well, in its own words; empty: it is. */
  readonly problems: readonly string[];
  readonly readiness: { readonly is: 'waiting' | 'ready' | 'blind'; readonly cause?: string };
  /** Sensor's address; empty: standalone. */
  readonly sensor: string;
  /** The machines and parts, as an inspection shows them. */
  readonly actors: readonly ActorMessage[];
  readonly streams: readonly StreamStatus[];
  readonly queue?: QueueStatus;
  readonly tables: readonly TableCounts[];
  readonly losses: readonly Loss[];
  readonly programs: readonly ProgramView[];
  /** Stalls of the event loop. */
  readonly stalls: number;
  readonly suppressedLogLines: number;
  /** Processor time of this process, ms, and its memory, bytes. */
  readonly cpuMs: number;
  readonly rss: number;
}

/** What a running Collector offers to questions, as soon as it collects. */
export interface NodeAccess {
  readonly events: EventFeed;
  readonly node: NodeSources;
}

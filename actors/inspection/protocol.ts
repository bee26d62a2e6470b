/**
 * The messages of an inspection: from Collector to the page at /inspect, and to any other watcher. Server-sent events
 * carry one message each, with its `type` as the event's name and the message as JSON in its data.
 *
 * The first message is `hello`, then an `actor` for each living actor, then the latest `transition`s, oldest first;
 * what follows is live. Times are Unix time in ms. All text is sanitised: no secret, no controls.
 */

/** Plain data: all that JSON keeps as it is. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

/** Introduces the run. */
export interface HelloMessage {
  readonly type: 'hello';
  readonly time: number;
  /** Of Collector. */
  readonly version: string;
  readonly node: string;
  readonly release: string;
  /** Grows when messages or their fields change incompatibly; a page of another protocol says so. */
  readonly protocol: number;
  readonly mode: 'live' | 'replay';
}

/** The state of an actor. A part has no chart: its `value` is empty, and its context has its counts. */
export interface SnapshotView {
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  /** Ids of the active states, outermost first, such as `collector.starting` and `collector.starting.load`. */
  readonly active: readonly string[];
  readonly context: Plain;
}

/** An actor lives; again for a late watcher. Its parent comes first. */
export interface ActorMessage {
  readonly type: 'actor';
  readonly time: number;
  /** XState's session id, unique in a run. */
  readonly actor: string;
  /** Its id in its parent, such as `collecting`, `signals` or `connections`. */
  readonly id: string;
  /** undefined: the root. */
  readonly parent?: string;
  /** Id of its machine, the key of its chart: `collector`, `collecting` or `stream`; undefined: it has none. */
  readonly chart?: string;
  readonly snapshot: SnapshotView;
}

/** An event on its way to an actor. */
export interface EventMessage {
  readonly type: 'event';
  readonly time: number;
  readonly actor: string;
  /** The actor that sent it; undefined: from outside. */
  readonly source?: string;
  readonly event: EventView;
}

export interface EventView {
  /** Such as `xstate.done.actor.load`, `broken` or `stop`. */
  readonly type: string;
  /** The other fields, such as the reason of `broken`. */
  readonly fields: Plain;
}

/** The state of an actor after an event, or of a part once a second. */
export interface SnapshotMessage {
  readonly type: 'snapshot';
  readonly time: number;
  readonly actor: string;
  readonly snapshot: SnapshotView;
}

/** An actor with a chart took a transition. */
export interface TransitionMessage {
  readonly type: 'transition';
  readonly time: number;
  readonly actor: string;
  readonly event: EventView;
  /** Ids of the taken edges in the actor's chart: see `Edge`. */
  readonly edges: readonly string[];
  /** The state after it. */
  readonly snapshot: SnapshotView;
}

/** Events of the kernel, oldest first, for a watcher with `?events`. */
export interface EventsMessage {
  readonly type: 'events';
  readonly time: number;
  readonly rows: readonly EventRow[];
  /** Events left out since the message before, for want of room or by the limit of rows a second. */
  readonly missed: number;
}

/** Where a replay is; after each change, and four times a second while it plays. */
export interface ReplayMessage {
  readonly type: 'replay';
  /** Of the recording: its first fact, its last fact, and the fact shown now. */
  readonly start: number;
  readonly end: number;
  readonly time: number;
  /** Times as fast as the recorded run. */
  readonly speed: number;
  readonly paused: boolean;
  /** The recording has been played to its end. */
  readonly over: boolean;
}

export type Message =
  | HelloMessage
  | ActorMessage
  | EventMessage
  | SnapshotMessage
  | TransitionMessage
  | EventsMessage
  | ReplayMessage;

/** Increased with incompatible changes of this file. */
export const PROTOCOL = 1;

/** The container of a row. Without a name from a runtime, only its id; the host has an empty id. */
export interface ContainerRef {
  /** 12 hexadecimal digits; empty: the host. */
  readonly container: string;
  readonly namespace: string;
  readonly pod: string;
  /** Of the container in its pod. */
  readonly name: string;
}

/** One event of the kernel, for a person. Absent fields do not apply. */
export interface EventRow extends ContainerRef {
  readonly time: number;
  readonly kind: 'exec' | 'enter' | 'exit' | 'connect' | 'accept' | 'close' | 'listen' | 'unlisten';
  readonly pid: number;
  /** Process id of the parent; of execs. */
  readonly parent?: number;
  /** Path of the program of an exec, else the name of the process (comm). */
  readonly process: string;
  readonly args?: string;
  /** User id; of execs. */
  readonly uid?: number;
  /** Paths of ancestors, nearest first; of execs. */
  readonly lineage?: readonly string[];
  readonly protocol?: 'tcp' | 'udp';
  /** Addresses as text, without brackets. */
  readonly local?: string;
  /** Of a listen, 0 stands for a port that the kernel chooses just after it. */
  readonly localPort?: number;
  readonly remote?: string;
  readonly remotePort?: number;
  /** ms; of a close. */
  readonly lasted?: number;
  /** Of an exit: exit status, or the signal that killed it. */
  readonly status?: number;
  readonly signal?: number;
}

/** GET /inspect/node: everything there is now, in the order container, then pid or port. */
export interface NodeView {
  readonly time: number;
  readonly containers: readonly ContainerRow[];
  readonly processes: readonly ProcessRow[];
  readonly connections: readonly ConnectionRow[];
  readonly listening: readonly ListeningRow[];
}

export interface ContainerRow extends ContainerRef {
  readonly image: string;
  readonly cgroup: string;
}

/** A process in a container; its container's names are in its `ContainerRow`. */
export interface ProcessRow {
  readonly container: string;
  readonly pid: number;
  /** 0: its parent is not in the container, or not known. */
  readonly parent: number;
  readonly path: string;
  readonly args: string;
  readonly uid: number;
  readonly started: number;
}

export interface ConnectionRow {
  readonly container: string;
  readonly protocol: 'tcp' | 'udp';
  readonly role: 'client' | 'server' | 'unknown';
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** The process that connected, or the one that listens for it. */
  readonly pid: number;
  /** When it opened; absent: before Collector watched. */
  readonly since?: number | undefined;
  readonly active: boolean;
  /** Of the newest observation. */
  readonly seen: number;
  /** Kind of the newest observation. */
  readonly by: 'event' | 'scan';
}

export interface ListeningRow {
  readonly container: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly pid: number;
  /** Path and arguments of the process; empty if it is not known. */
  readonly process: string;
  readonly args: string;
  /** Start of the process; absent: not known. */
  readonly started?: number;
  /** When it called listen(); absent: before Collector started. */
  readonly since?: number;
  readonly active: boolean;
  readonly seen: number;
  readonly by: 'event' | 'scan';
}

/**
 * GET /inspect/why?container=…[&protocol=&local=&localPort=&remote=&remotePort=] for a connection,
 * ?container=…&protocol=&port= for an endpoint, ?container=… alone for a container: is it in Sensor, or why not?
 */
export interface WhyView {
  /** One sentence: the answer. */
  readonly summary: string;
  readonly verdict: 'reported' | 'held' | 'unseen';
  /** Steps of its way, in their order; the first failed step holds it back. */
  readonly steps: readonly WhyStep[];
}

export interface WhyStep {
  readonly step:
    | 'seen'
    | 'container'
    | 'loopback'
    | 'ignored-network'
    | 'established'
    | 'rate-limit'
    | 'afterglow'
    | 'stream'
    | 'queue'
    /** In a report yet. */
    | 'report';
  readonly passed: boolean;
  /** A sentence with the values that decided, such as the network, the times or the limit. */
  readonly text: string;
  readonly time?: number;
}

/** A machine's chart: its states and edges. Made from the definition that runs; laid out at build time. */
export interface Chart {
  /** The machine's id. */
  readonly id: string;
  readonly states: readonly StateNode[];
  readonly edges: readonly Edge[];
}

export interface StateNode {
  /** XState's id of the state node, such as `collector.starting.load`. */
  readonly id: string;
  /** Its key in its parent. */
  readonly key: string;
  /** undefined: the machine itself. */
  readonly parent?: string;
  readonly kind: 'atomic' | 'compound' | 'parallel' | 'final';
  readonly initial?: string;
  /** Actors that live as long as the state is active. */
  readonly invokes: readonly string[];
  readonly entry: readonly string[];
  readonly exit: readonly string[];
}

export interface Edge {
  /** `<source> <event> <n>`: the n-th transition of the source for the event, from 0. */
  readonly id: string;
  readonly source: string;
  /** undefined: it changes no state. */
  readonly target?: string;
  /** For people: `load done`, `load failed`, `after wait`, `stop`. */
  readonly label: string;
  /** The event's type, as in messages. */
  readonly event: string;
  readonly guard?: string;
  /** Name or ms of the delay of an `after`. */
  readonly delay?: string;
  readonly actions: readonly string[];
}

/** A chart with places, in CSS pixels; made by the build, in dist/inspect/charts.json as `{ [id]: LaidOutChart }`. */
export interface LaidOutChart extends Chart {
  readonly width: number;
  readonly height: number;
  /** By state: relative to the whole chart. */
  readonly boxes: Readonly<Record<string, Box>>;
  /** By edge: points of the line, and the place of its label. */
  readonly lines: Readonly<Record<string, Line>>;
  /** By compound state: points of the line from the dot, at the first point, to its initial state. */
  readonly starts: Readonly<Record<string, readonly Point[]>>;
}

export type Point = readonly [x: number, y: number];

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Line {
  /** Empty: the edge changes no state, and its label stands in the box of its source. */
  readonly points: readonly Point[];
  readonly label: Box;
}

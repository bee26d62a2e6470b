import type { FactClock } from '../capture/fact-clock.js';
import { SocketRole } from '../capture/layout.js';
import { IPPROTO_UDP } from '../capture/linux.js';
import { isActive, isScanned } from '../connections/activity.js';
import { addressText, localText, PAUSE } from '../connections/listing.js';
import {
  containerAt,
  Flow,
  flowRole,
  ListeningSocket,
  localPort,
  protocolOf,
  remotePort,
  u64At,
  type OwnerWords,
} from '../connections/rows.js';
import type { ConnectionState } from '../connections/state.js';
import type { SlotTable } from '../connections/table.js';
import { containerId } from '../containers/id.js';
import type { ContainerState } from '../containers/state.js';
import { isSameStart, type Process } from '../processes/process.js';
import type { ProcessState } from '../processes/state.js';
import { printable } from '../telemetry/plain-text.js';
import type { ContainerRefs } from './container-ref.js';
import type { ConnectionRow, ContainerRow, ListeningRow, ProcessRow } from './protocol.js';

/** The states a view is made of. */
export interface NodeSources {
  readonly clock: FactClock;
  readonly refs: ContainerRefs;
  readonly containers: ContainerState;
  readonly processes: ProcessState;
  /** undefined before the start fact. */
  readonly connections: () => ConnectionState | undefined;
}

/** Entries to walk, and rows to write, between two pauses: below a millisecond, some ms before the code is compiled. */
const SLICE = 1024;
const CHUNK = 128;
const PORTS = 65_536;

type Paused<Result> = Generator<typeof PAUSE, Result>;

/**
 * Everything on the node as the text of a `NodeView`, in pieces: a copy is made first, so it is of no single moment,
 * but has everything present from its start to its end.
 * @param container the only one; all without it
 */
export function* nodeView(sources: NodeSources, container?: number): Generator<string> {
  const { clock } = sources;
  const copy = yield* copyNode(sources, container);
  yield `{"time":${clock.unix(clock.time)}`;
  yield* listText('containers', copy.containerRows());
  yield* listText('processes', copy.processRows());
  yield* listText('connections', copy.connectionRows());
  yield* listText('listening', copy.listeningRows());
  yield '}\n';
}

/** The text of a member with a list of rows. Their texts are printable, so JSON needs no further escapes. */
function* listText(name: string, rows: Iterable<unknown>): Generator<string> {
  let text = `,"${name}":[`;
  let count = 0;
  for (const row of rows) {
    text += `${count++ === 0 ? '' : ','}${JSON.stringify(row)}`;
    if (count % CHUNK > 0) continue;
    yield text;
    text = '';
  }
  yield `${text}]`;
}

/** Copies everything on the node, for rows. @param container the only one; all without it */
export function* copyNode(sources: NodeSources, container?: number): Paused<NodeCopy> {
  const processes = yield* copyProcesses(sources.processes, container);
  const state = sources.connections();
  if (state === undefined) return new NodeCopy(sources, processes, undefined, undefined);
  const flows = yield* inOrder(yield* state.copyFlows(container), Flow, (copy, slot) =>
    localPort(copy.get(slot, Flow.ports)),
  );
  const listening = yield* inOrder(
    yield* state.copyListeningSockets(container),
    ListeningSocket,
    (copy, slot) => copy.get(slot, ListeningSocket.port),
  );
  return new NodeCopy(sources, processes, flows, listening);
}

/** A copied table, and its slots by container, in the order of their ports. */
interface OrderedCopy {
  readonly table: SlotTable;
  readonly slots: ReadonlyMap<number, readonly number[]>;
}

/** The copied processes, and their pids by container, in their order. */
interface ProcessCopy {
  readonly byPid: ReadonlyMap<number, Process>;
  readonly pids: ReadonlyMap<number, readonly number[]>;
}

/** A copy of everything on the node. Rows come in the order of containers, then of pids or ports. */
export class NodeCopy {
  readonly #sources: NodeSources;
  readonly #processes: ProcessCopy;
  readonly #flows: OrderedCopy | undefined;
  readonly #listening: OrderedCopy | undefined;

  constructor(
    sources: NodeSources,
    processes: ProcessCopy,
    flows: OrderedCopy | undefined,
    listening: OrderedCopy | undefined,
  ) {
    this.#sources = sources;
    this.#processes = processes;
    this.#flows = flows;
    this.#listening = listening;
  }

  /** Containers with a process, a connection or a listening socket. */
  *containerRows(): Generator<ContainerRow> {
    const { containers, refs } = this.#sources;
    const numbers = new Set([
      ...this.#processes.pids.keys(),
      ...(this.#flows?.slots.keys() ?? []),
      ...(this.#listening?.slots.keys() ?? []),
    ]);
    for (const container of sorted(numbers)) {
      const { container: id, namespace, pod, name } = refs.of(container);
      yield {
        container: id,
        namespace,
        pod,
        name,
        image: printable(containers.metadataOf(container)?.image ?? ''),
        cgroup: printable(containers.cgroup(container) ?? ''),
      };
    }
  }

  *processRows(): Generator<ProcessRow> {
    const { clock } = this.#sources;
    const { byPid, pids } = this.#processes;
    for (const container of sorted(pids.keys())) {
      for (const pid of pids.get(container)!) {
        const process = byPid.get(pid)!;
        yield {
          container: containerId(container),
          pid,
          parent: this.#parentOf(process),
          path: printable(process.path || process.name),
          args: printable(process.args),
          uid: process.uid,
          started: clock.unix(process.startTime),
        };
      }
    }
  }

  /** Unix time in ms of a fact's time. */
  unix(time: number): number {
    return this.#sources.clock.unix(time);
  }

  /** The process of a connection, if it still runs: its pid may have gone to another one, in another place or later. */
  openerOf({ container, pid, since }: ConnectionRow): Process | undefined {
    const process = this.#processes.byPid.get(pid);
    if (process === undefined || containerId(process.container) !== container) return undefined;
    return since === undefined || this.#sources.clock.unix(process.startTime) <= since ? process : undefined;
  }

  *connectionRows(): Generator<ConnectionRow> {
    if (this.#flows === undefined) return;
    const { table } = this.#flows;
    for (const [container, slot] of entries(this.#flows)) yield this.#connectionRow(table, slot, container);
  }

  *listeningRows(): Generator<ListeningRow> {
    if (this.#listening === undefined) return;
    const { table } = this.#listening;
    for (const [container, slot] of entries(this.#listening))
      yield this.#listeningRow(table, slot, container);
  }

  /** The parent's pid, if it is in the same container and old enough: a pid may have gone to another process. */
  #parentOf({ parent, container, startTime }: Process): number {
    const process = this.#processes.byPid.get(parent);
    const isParent = process?.container === container && process.startTime <= startTime;
    return isParent ? parent : 0;
  }

  #connectionRow(flows: SlotTable, slot: number, container: number): ConnectionRow {
    const tag = flows.get(slot, Flow.tag);
    const ports = flows.get(slot, Flow.ports);
    const since = u64At(flows, slot, Flow.since);
    const row: RowInTheMaking<ConnectionRow> = {
      container: containerId(container),
      protocol: protocolText(tag),
      role: roleText(flowRole(flows.flags[slot]!)),
      local: localText(flows, slot),
      localPort: localPort(ports),
      remote: addressText(flows, slot, Flow.remote, tag),
      remotePort: remotePort(ports),
      pid: flows.get(slot, Flow.pid),
      active: isActive(flows, slot),
      seen: this.#sources.clock.unix(flows.lastActive[slot]!),
      by: isScanned(flows, slot) ? 'scan' : 'event',
    };
    if (since !== 0) row.since = this.#sources.clock.unix(since);
    return row;
  }

  #listeningRow(sockets: SlotTable, slot: number, container: number): ListeningRow {
    const { clock } = this.#sources;
    const pid = sockets.get(slot, ListeningSocket.pid);
    const startTime = u64At(sockets, slot, ListeningSocket.startTime);
    const process = this.#processes.byPid.get(pid);
    const isKnown =
      process?.container === container && (startTime === 0 || isSameStart(process.startTime, startTime));
    const since = u64At(sockets, slot, ListeningSocket.since);
    const started = isKnown ? process.startTime : startTime;
    const row: RowInTheMaking<ListeningRow> = {
      container: containerId(container),
      protocol: protocolText(sockets.get(slot, ListeningSocket.tag)),
      port: sockets.get(slot, ListeningSocket.port),
      pid,
      process: isKnown ? printable(process.path || process.name) : '',
      args: isKnown ? printable(process.args) : '',
      active: isActive(sockets, slot),
      seen: clock.unix(sockets.lastActive[slot]!),
      by: isScanned(sockets, slot) ? 'scan' : 'event',
    };
    if (since !== 0) row.since = clock.unix(since);
    if (started !== 0) row.started = clock.unix(started);
    return row;
  }
}

type RowInTheMaking<Row> = { -readonly [Field in keyof Row]: Row[Field] };

function* copyProcesses(state: ProcessState, container: number | undefined): Paused<ProcessCopy> {
  const byPid = new Map<number, Process>();
  const pids = new Map<number, number[]>();
  const all = Uint32Array.from(state.pids()).sort();
  yield PAUSE;
  for (let at = 0; at < all.length; at++) {
    if (at % SLICE === SLICE - 1) yield PAUSE;
    const pid = all[at]!;
    const process = state.process(pid);
    if (process === undefined || (container ?? process.container) !== process.container) continue;
    byPid.set(pid, process);
    append(pids, process.container, pid);
  }
  return { byPid, pids };
}

/** The slots of a table, by container and port: a radix sort, since it can pause anywhere. */
function* inOrder(
  table: SlotTable,
  owner: OwnerWords,
  portOf: (table: SlotTable, slot: number) => number,
): Paused<OrderedCopy> {
  const { size } = table;
  const starts = new Uint32Array(PORTS + 1);
  for (let slot = 0; slot < size; slot++) {
    starts[portOf(table, slot) + 1]!++;
    if (slot % SLICE === SLICE - 1) yield PAUSE;
  }
  for (let port = 0; port < PORTS; port++) starts[port + 1]! += starts[port]!;
  const byPort = new Uint32Array(size);
  for (let slot = 0; slot < size; slot++) {
    byPort[starts[portOf(table, slot)]!++] = slot;
    if (slot % SLICE === SLICE - 1) yield PAUSE;
  }
  const slots = new Map<number, number[]>();
  for (let at = 0; at < size; at++) {
    const slot = byPort[at]!;
    append(slots, containerAt(table, slot, owner), slot);
    if (at % SLICE === SLICE - 1) yield PAUSE;
  }
  return { table, slots };
}

/** Container and slot of each entry. */
function* entries({ slots }: OrderedCopy): Generator<readonly [container: number, slot: number]> {
  for (const container of sorted(slots.keys()))
    for (const slot of slots.get(container)!) yield [container, slot];
}

function append(lists: Map<number, number[]>, key: number, member: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [member]);
  else list.push(member);
}

function sorted(containers: Iterable<number>): number[] {
  return [...containers].sort((a, b) => a - b);
}

function protocolText(tag: number): 'tcp' | 'udp' {
  return protocolOf(tag) === IPPROTO_UDP ? 'udp' : 'tcp';
}

function roleText(role: number): ConnectionRow['role'] {
  switch (role) {
    case SocketRole.client:
      return 'client';
    case SocketRole.server:
      return 'server';
    default:
      return 'unknown';
  }
}

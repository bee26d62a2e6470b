import type {
  ConnectionRow,
  ContainerRef,
  ContainerRow,
  EventRow,
  ListeningRow,
  NodeView,
  ProcessRow,
} from '../protocol.js';
import type { Filter, RowFields } from './filter.js';

/** Closed connections and ports stay for a while, to be seen; the oldest of more are removed. */
const CLOSED_KEPT = 500;
/** Rows of a listing between two pauses: about 5 ms of a slow core. */
const SLICE = 2000;

/** A container and what is in it. */
export class ContainerNode {
  readonly processes = new Map<number, ProcessRow>();
  readonly connections = new Map<string, ConnectionRow>();
  readonly listening = new Map<string, ListeningRow>();

  constructor(public row: ContainerRow) {}
}

/** The containers of the node: a listing, and the events after it folded in. */
export class NodeModel {
  #containers = new Map<string, ContainerNode>();
  /** Homes of the known processes: a process may enter another container. */
  #homes = new Map<number, ContainerNode>();
  #closed: (() => void)[] = [];
  #sorted: readonly ContainerNode[] | undefined;

  /** In the order of their names; the ones without come last, and the host first. */
  get containers(): readonly ContainerNode[] {
    this.#sorted ??= [...this.#containers.values()].sort((a, b) => compareContainers(a.row, b.row));
    return this.#sorted;
  }

  container(id: string): ContainerNode | undefined {
    return this.#containers.get(id);
  }

  /** Replaces everything by a listing, with pauses; until its end, the model is the old one. */
  *load(view: NodeView): Generator<void, void> {
    const next = new NodeModel();
    let rows = 0;
    for (const row of view.containers) next.#node(row).row = row;
    for (const row of view.processes) {
      next.#putProcess(next.#node(unnamed(row.container)), row);
      if (++rows % SLICE === 0) yield;
    }
    for (const row of view.connections) {
      next.#node(unnamed(row.container)).connections.set(connectionKey(row), row);
      if (++rows % SLICE === 0) yield;
    }
    for (const row of view.listening) {
      next.#node(unnamed(row.container)).listening.set(listeningKey(row), row);
      if (++rows % SLICE === 0) yield;
    }
    this.#containers = next.#containers;
    this.#homes = next.#homes;
    this.#closed = [];
    this.#sorted = undefined;
  }

  /** @param rows in the order of their times */
  fold(rows: readonly EventRow[]): void {
    for (const row of rows) this.#fold(row);
  }

  #fold(row: EventRow): void {
    const node = this.#node(row);
    switch (row.kind) {
      case 'exec':
      case 'enter':
        this.#start(node, row);
        break;
      case 'exit':
        this.#removeProcess(row.pid);
        break;
      case 'connect':
      case 'accept':
        this.#open(node, row, row.kind === 'connect' ? 'client' : 'server');
        break;
      case 'close':
        this.#close(node, row);
        break;
      case 'listen':
        this.#listen(node, row);
        break;
      case 'unlisten':
        this.#unlisten(node, row);
    }
  }

  #start(node: ContainerNode, { container, pid, parent, process, args, uid, time }: EventRow): void {
    const known = this.#homes.get(pid)?.processes.get(pid);
    this.#putProcess(node, {
      container,
      pid,
      parent: parent ?? known?.parent ?? 0,
      path: process,
      args: args ?? '',
      uid: uid ?? known?.uid ?? 0,
      started: time,
    });
  }

  #putProcess(node: ContainerNode, row: ProcessRow): void {
    if (this.#homes.get(row.pid) !== node) this.#removeProcess(row.pid);
    this.#homes.set(row.pid, node);
    node.processes.set(row.pid, row);
  }

  #removeProcess(pid: number): void {
    this.#homes.get(pid)?.processes.delete(pid);
    this.#homes.delete(pid);
  }

  #open(node: ContainerNode, row: EventRow, role: 'client' | 'server'): void {
    const { container, protocol = 'tcp', local = '', localPort = 0, remote = '', remotePort = 0, pid } = row;
    const opened = {
      container,
      protocol,
      role,
      local,
      localPort,
      remote,
      remotePort,
      pid,
      since: row.time,
      active: true,
      seen: row.time,
      by: 'event',
    } as const;
    node.connections.set(connectionKey(opened), opened);
  }

  #close(node: ContainerNode, row: EventRow): void {
    const { protocol = 'tcp', local = '', localPort = 0, remote = '', remotePort = 0 } = row;
    const key = connectionKey({ protocol, local, localPort, remote, remotePort });
    const open = node.connections.get(key);
    if (open?.active === true) this.#end(node.connections, key, { ...open, ...ended(row) });
  }

  #listen(
    node: ContainerNode,
    { container, protocol = 'tcp', localPort = 0, pid, process, time }: EventRow,
  ): void {
    // The kernel chooses the port just after the event: the next listing has it.
    if (localPort === 0) return;
    const known = node.processes.get(pid);
    const row = {
      container,
      protocol,
      port: localPort,
      pid,
      process: known?.path ?? process,
      args: known?.args ?? '',
      active: true,
      seen: time,
      by: 'event',
    } as const;
    node.listening.set(listeningKey(row), row);
  }

  /** Ends the port for its process, or for the process that has it: the socket may have been inherited. */
  #unlisten(node: ContainerNode, event: EventRow): void {
    const { protocol = 'tcp', localPort: port = 0, pid } = event;
    let key = listeningKey({ protocol, port, pid });
    if (!node.listening.has(key)) {
      for (const [other, row] of node.listening) {
        if (row.protocol === protocol && row.port === port && row.active) key = other;
      }
    }
    const open = node.listening.get(key);
    if (open?.active === true) this.#end(node.listening, key, { ...open, ...ended(event) });
  }

  /** Keeps an ended row, and removes the oldest of too many. */
  #end<Row extends { readonly active: boolean }>(rows: Map<string, Row>, key: string, row: Row): void {
    rows.set(key, row);
    this.#closed.push(() => {
      if (rows.get(key) === row) rows.delete(key);
    });
    if (this.#closed.length > CLOSED_KEPT) this.#closed.shift()!();
  }

  /** The container of a row; a new one if it is not known, and with the names that the row has. */
  #node(ref: ContainerRef): ContainerNode {
    const known = this.#containers.get(ref.container);
    if (known === undefined) {
      const { container, namespace, pod, name } = ref;
      const node = new ContainerNode({ container, namespace, pod, name, image: '', cgroup: '' });
      this.#containers.set(container, node);
      this.#sorted = undefined;
      return node;
    }
    if (ref.pod !== '' && known.row.pod === '') {
      const { namespace, pod, name } = ref;
      known.row = { ...known.row, namespace, pod, name };
      this.#sorted = undefined;
    }
    return known;
  }
}

function unnamed(container: string): ContainerRef {
  return { container, namespace: '', pod: '', name: '' };
}

function ended({ time }: EventRow) {
  return { active: false, seen: time, by: 'event' } as const;
}

type ConnectionKey = Pick<ConnectionRow, 'protocol' | 'local' | 'localPort' | 'remote' | 'remotePort'>;

/** The same for the same connection in listings and events of its container. */
export function connectionKey({ protocol, local, localPort, remote, remotePort }: ConnectionKey): string {
  return `${protocol} ${local} ${localPort} ${remote} ${remotePort}`;
}

export function listeningKey({
  protocol,
  port,
  pid,
}: Pick<ListeningRow, 'protocol' | 'port' | 'pid'>): string {
  return `${protocol} ${port} ${pid}`;
}

const collator = new Intl.Collator('en', { numeric: true });

function compareContainers(a: ContainerRow, b: ContainerRow): number {
  return (
    rank(a) - rank(b) ||
    collator.compare(a.namespace, b.namespace) ||
    collator.compare(a.pod, b.pod) ||
    collator.compare(a.name, b.name) ||
    collator.compare(a.container, b.container)
  );
}

function rank({ container, pod, name }: ContainerRow): number {
  if (container === '') return 0;
  return pod === '' && name === '' ? 2 : 1;
}

export type Kind = 'processes' | 'connections' | 'listening';

export type Counts = Readonly<Record<Kind, number>>;

/** A container with a match of the filter in it. */
export interface CountedContainer {
  readonly node: ContainerNode;
  /** Its matching rows. */
  readonly counts: Counts;
}

export interface ProcessItem {
  readonly node: ContainerNode;
  readonly row: ProcessRow;
  /** In the tree, from 0. */
  readonly depth: number;
  /** False: it is there for a match below it. */
  readonly matched: boolean;
}

export interface ConnectionItem {
  readonly node: ContainerNode;
  readonly row: ConnectionRow;
}

export interface ListeningItem {
  readonly node: ContainerNode;
  readonly row: ListeningRow;
}

/** The part of a model to be shown. */
export interface Selection {
  readonly containers: readonly CountedContainer[];
  /** Of all containers. */
  readonly total: Counts;
  /** Of the chosen container, or of all. */
  readonly chosen: Counts;
  readonly processes: readonly ProcessItem[];
  readonly connections: readonly ConnectionItem[];
  readonly listening: readonly ListeningItem[];
}

/** @param kind of the listed rows; the other lists stay empty @param container undefined: of all */
export function select(model: NodeModel, filter: Filter, kind: Kind, container?: string): Selection {
  const containers: CountedContainer[] = [];
  const processes: ProcessItem[] = [];
  const connections: ConnectionItem[] = [];
  const listening: ListeningItem[] = [];
  const total = { processes: 0, connections: 0, listening: 0 };
  let chosen: Counts = container === undefined ? total : { processes: 0, connections: 0, listening: 0 };
  for (const node of model.containers) {
    const words = filter.within(node.row);
    if (words === undefined) continue;
    const listed = container === undefined || container === node.row.container;
    const into = <Item>(of: Kind, items: Item[]) => (listed && kind === of ? items : undefined);
    const counts = {
      processes: matching(node, node.processes, words),
      connections: matching(node, node.connections, words, into('connections', connections)),
      listening: matching(node, node.listening, words, into('listening', listening)),
    };
    if (listed && kind === 'processes') appendTree(node, words, processes);
    total.processes += counts.processes;
    total.connections += counts.connections;
    total.listening += counts.listening;
    if (container === node.row.container) chosen = counts;
    if (words.matchesContainer || counts.processes + counts.connections + counts.listening > 0) {
      containers.push({ node, counts });
    }
  }
  return { containers, total, chosen, processes, connections, listening };
}

/** Counts the matching rows, and appends them to `items`. */
function matching<Row extends RowFields>(
  node: ContainerNode,
  rows: ReadonlyMap<unknown, Row>,
  words: Filter,
  items?: { node: ContainerNode; row: Row }[],
): number {
  if (words.isEmpty && items === undefined) return rows.size;
  let count = 0;
  for (const row of rows.values()) {
    if (!words.matchesRow(row)) continue;
    count++;
    items?.push({ node, row });
  }
  return count;
}

/** Appends the matching processes and their ancestors, as a tree. */
function appendTree(node: ContainerNode, words: Filter, items: ProcessItem[]): void {
  const children = new Map<number, ProcessRow[]>();
  const matched = new Set<number>();
  const shown = new Set<number>();
  for (const row of node.processes.values()) {
    const parent = node.processes.has(row.parent) && row.parent !== row.pid ? row.parent : 0;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [row]);
    else siblings.push(row);
    if (!words.matchesRow(row)) continue;
    matched.add(row.pid);
    for (let one: ProcessRow | undefined = row; one !== undefined && !shown.has(one.pid);) {
      shown.add(one.pid);
      one = node.processes.get(one.parent);
    }
  }
  const append = (parent: number, depth: number) => {
    for (const row of children.get(parent) ?? []) {
      if (!shown.delete(row.pid)) continue;
      items.push({ node, row, depth, matched: matched.has(row.pid) });
      append(row.pid, depth + 1);
    }
  };
  append(0, 0);
  // Left over: processes in a circle of parents, which a reused process id can make.
  for (const pid of shown)
    items.push({ node, row: node.processes.get(pid)!, depth: 0, matched: matched.has(pid) });
}

import { PAUSE } from '../connections/listing.js';
import type { ConnectionAnswer, ContainerAnswer, ListeningAnswer, ListName, ProcessAnswer } from './ask.js';
import type { Filter, FilterRow } from './filter.js';
import { copyNode, type NodeCopy, type NodeSources } from './node-view.js';
import { printable } from '../telemetry/plain-text.js';
import type { ContainerRow } from './protocol.js';

/** Rows looked at between two pauses. */
const SLICE = 256;

/** The lines of a list, in pieces; empty ones are pauses. */
export function* listLines(of: ListName, sources: NodeSources, filter: Filter): Generator<string> {
  const copy = yield* copyNode(sources);
  const lists = { processes, connections, listening, containers };
  let text = '';
  let count = 0;
  for (const row of lists[of](copy)) {
    if (row !== PAUSE && filter.matches(row)) text += `${JSON.stringify(row)}\n`;
    if (row !== PAUSE && ++count % SLICE > 0) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** Rows, and pauses between them. */
type Rows<Row> = Generator<Row | typeof PAUSE>;
type AnyRow<Row> = Row & FilterRow;

// Rows name their fields one by one: one spread from objects takes twenty times as long.

function* processes(copy: NodeCopy): Rows<AnyRow<ProcessAnswer>> {
  const names = new Names(copy);
  for (const { container, pid, parent, path, args, uid, started } of copy.processRows()) {
    const { namespace, pod, name } = names.of(container);
    yield { container, namespace, pod, name, pid, parent, process: path, args, uid, started };
  }
}

function* connections(copy: NodeCopy): Rows<AnyRow<ConnectionAnswer>> {
  const names = new Names(copy);
  const peers = yield* peersByAddress(copy, names);
  for (const row of copy.connectionRows()) {
    const { container, protocol, role, local, localPort, remote, remotePort, pid, since, active, seen, by } =
      row;
    const { namespace, pod, name } = names.of(container);
    const opener = copy.openerOf(row);
    const answer = {
      container,
      namespace,
      pod,
      name,
      protocol,
      role,
      local,
      localPort,
      remote,
      remotePort,
      pid,
      process: opener === undefined ? '' : printable(opener.path || opener.name),
      args: opener === undefined ? '' : printable(opener.args),
      since,
      started: opener === undefined ? undefined : copy.unix(opener.startTime),
      active,
      seen,
      by,
    };
    const peer = peers.get(remote) ?? '';
    yield peer === '' ? answer : Object.assign(answer, { peer });
  }
}

function* listening(copy: NodeCopy): Rows<AnyRow<ListeningAnswer>> {
  const names = new Names(copy);
  for (const row of copy.listeningRows()) {
    const { namespace, pod, name } = names.of(row.container);
    yield Object.assign({ namespace, pod, name }, row);
  }
}

function* containers(copy: NodeCopy): Rows<AnyRow<ContainerAnswer>> {
  const counts = new Map<
    string,
    { processes: number; connections: number; listening: number; started: number }
  >();
  const countsOf = (container: string) => {
    let of = counts.get(container);
    if (of === undefined)
      counts.set(container, (of = { processes: 0, connections: 0, listening: 0, started: Infinity }));
    return of;
  };
  let count = 0;
  for (const { container, started } of copy.processRows()) {
    const of = countsOf(container);
    of.processes++;
    of.started = Math.min(of.started, started);
    if (++count % SLICE === 0) yield PAUSE;
  }
  for (const [rows, what] of [
    [copy.connectionRows(), 'connections'],
    [copy.listeningRows(), 'listening'],
  ] as const) {
    for (const { container } of rows) {
      countsOf(container)[what]++;
      if (++count % SLICE === 0) yield PAUSE;
    }
  }
  for (const row of copy.containerRows()) {
    const { started, ...numbers } = countsOf(row.container);
    yield { ...row, ...numbers, ...(started < Infinity && { started }) };
  }
}

/** Names of containers, by id. */
class Names {
  readonly #rows: ReadonlyMap<string, ContainerRow>;

  constructor(copy: NodeCopy) {
    this.#rows = new Map([...copy.containerRows()].map((row) => [row.container, row]));
  }

  of(container: string): Pick<ContainerRow, 'namespace' | 'pod' | 'name'> {
    return this.#rows.get(container) ?? NAMELESS;
  }
}

const NAMELESS = { namespace: '', pod: '', name: '' } as const;

/** Pods by their addresses, as their own connections have them; empty: several have the address. */
function* peersByAddress(copy: NodeCopy, names: Names): Generator<typeof PAUSE, ReadonlyMap<string, string>> {
  const peers = new Map<string, string>();
  let count = 0;
  for (const { container, local } of copy.connectionRows()) {
    if (++count % SLICE === 0) yield PAUSE;
    const { namespace, pod } = names.of(container);
    const known = peers.get(local);
    const here = pod === '' ? '' : `${namespace}/${pod}`;
    if (known === undefined) peers.set(local, here);
    else if (known !== here) peers.set(local, '');
  }
  return peers;
}

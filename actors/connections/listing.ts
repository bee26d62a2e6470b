import { SocketRole } from '../capture/layout.js';
import { containerId } from '../containers/id.js';
import type { Originator } from '../processes/state.js';
import { isActive, merge } from './activity.js';
import { addressBytes, formatAddress } from './address.js';
import { normalize, type Surroundings } from './normalize.js';
import {
  Endpoint,
  Flow,
  Link,
  Listener,
  containerOf,
  familyOf,
  flowRole,
  isAddress,
  localPort,
  portOf,
  prefixOf,
  protocolOf,
  remotePort,
  roleOf,
} from './rows.js';
import { Table } from './table.js';

/** What somebody wants to see. */
export interface View {
  /** The number of the only container to show; all without it. */
  readonly container?: number;
  /** As reported, or each socket as the kernel has it. */
  readonly normalize: boolean;
  /** Describes an endpoint's process by its number. */
  readonly originator: (id: number) => Originator;
}

/** `L4Protocol` without its prefix, by IPPROTO_*. */
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP' };

/** Entries to go through, and entries to write, between two pauses: a millisecond, about. */
const SLICE = 4096;
const CHUNK = 512;

/** Entries that hold still while a table goes on: those of one moment. */
interface Entries {
  readonly rows: Uint32Array;
  readonly flags: Uint8Array;
  readonly lastActive: Float64Array;
  readonly length: number;
}

/**
 * The connections in a table as the text of a JSON object: for each container, by its id, a list. The text comes in
 * pieces, some of them empty, and with each of them the caller may do something else: what is shown is a copy, made
 * before the first (some 15 ns for each entry).
 */
export function* listConnections(
  flows: Table,
  around: Surroundings,
  { container, normalize: isNormalized }: View,
): Generator<string> {
  const found = copied(flows, Flow.WORDS, Flow.container, Flow.tag, container);
  if (!isNormalized) {
    yield* grouped(found, Flow.WORDS, Flow.container, Flow.tag, flowText);
    return;
  }
  const links = new Table(Link.WORDS, 0, Math.max(found.length, 1), flows.seed);
  for (let index = 0; index < found.length; index++) {
    normalize(found, index, around, links.key);
    merge(links, links.put(), found.lastActive[index]!, isActive(found, index));
    if (index % SLICE === 0) yield '';
  }
  yield* grouped(copied(links, Link.WORDS), Link.WORDS, Link.container, Link.tag, linkText);
}

/** What the sockets in a table listen on, in the same form; normalised, those that are one endpoint are one entry. */
export function* listEndpoints(sockets: Table, view: View): Generator<string> {
  const { container, originator } = view;
  const found = copied(sockets, Listener.WORDS, Listener.container, Listener.tag, container);
  if (!view.normalize) {
    yield* grouped(found, Listener.WORDS, Listener.container, Listener.tag, (from, index) => {
      const row = index * Listener.WORDS;
      return [
        ...endpointText(from, index, Listener.WORDS, Listener, originator),
        ['pid', from.rows[row + Listener.pid]!],
      ];
    });
    return;
  }
  const endpoints = new Table(Endpoint.WORDS, 0, Math.max(found.length, 1), sockets.seed);
  for (let index = 0; index < found.length; index++) {
    const row = index * Listener.WORDS;
    for (const word of ['port', 'originator', 'container', 'tag'] as const)
      endpoints.key[Endpoint[word]] = found.rows[row + Listener[word]]!;
    // A port that is not known yet is not reported either.
    if (endpoints.key[Endpoint.port] !== 0)
      merge(endpoints, endpoints.put(), found.lastActive[index]!, isActive(found, index));
    if (index % SLICE === 0) yield '';
  }
  yield* grouped(
    copied(endpoints, Endpoint.WORDS),
    Endpoint.WORDS,
    Endpoint.container,
    Endpoint.tag,
    (from, index) => endpointText(from, index, Endpoint.WORDS, Endpoint, originator),
  );
}

/** A table's entries, or those of one container. */
function copied(table: Table, words: number, low = 0, tag = 0, container?: number): Entries {
  const isWanted = (slot: number) =>
    container === undefined ||
    containerOf(table.rows[slot * words + low]!, table.rows[slot * words + tag]!) === container;
  let length = 0;
  for (let slot = table.next(0); slot >= 0; slot = table.next(slot + 1)) if (isWanted(slot)) length++;
  const rows = new Uint32Array(length * words);
  const flags = new Uint8Array(length);
  const lastActive = new Float64Array(length);
  let index = 0;
  for (let slot = table.next(0); slot >= 0; slot = table.next(slot + 1)) {
    if (!isWanted(slot)) continue;
    for (let word = 0; word < words; word++) rows[index * words + word] = table.rows[slot * words + word]!;
    flags[index] = table.flags[slot]!;
    lastActive[index] = table.lastActive[slot]!;
    index++;
  }
  return { rows, flags, lastActive, length };
}

type Member = readonly [name: string, value: unknown];

/** The text of all entries, by container; `low` and `tag` say where a row has its container. */
function* grouped(
  entries: Entries,
  words: number,
  low: number,
  tag: number,
  members: (entries: Entries, index: number) => readonly Member[],
): Generator<string> {
  const byContainer = new Map<number, number[]>();
  for (let index = 0; index < entries.length; index++) {
    const container = containerOf(entries.rows[index * words + low]!, entries.rows[index * words + tag]!);
    const known = byContainer.get(container);
    if (known === undefined) byContainer.set(container, [index]);
    else known.push(index);
    if (index % SLICE === 0) yield '';
  }
  let text = '{';
  let separator = '';
  for (const [container, indices] of [...byContainer].sort(([a], [b]) => a - b)) {
    text += `${separator}\n  ${JSON.stringify(containerId(container))} : \n  [`;
    for (let at = 0; at < indices.length; at++) {
      text += `${at === 0 ? '' : ','}\n    {\n${objectText(members(entries, indices[at]!))}\n    }`;
      if (at % CHUNK < CHUNK - 1) continue;
      yield text;
      text = '';
    }
    text += '\n  ]';
    separator = ',';
  }
  yield `${text}\n}\n`;
}

function objectText(members: readonly Member[]): string {
  const known = members.filter(([, value]) => value !== undefined);
  return known.map(([name, value]) => `      "${name}" : ${JSON.stringify(value)}`).join(',\n');
}

function linkText(from: Entries, index: number): Member[] {
  const row = index * Link.WORDS;
  const tag = from.rows[row + Link.tag]!;
  const prefix = prefixOf(from.rows[row + Link.port]!);
  const address = formatAddress(addressBytes(from.rows, row + Link.remote, familyOf(tag)));
  const isServer = roleOf(tag) === SocketRole.server;
  const peer = isAddress(tag) ? address : `${address}/${prefix}`;
  return [
    ['active', isActive(from, index)],
    ...(isServer ? [['from', peer] as const] : []),
    ['l4proto', PROTOCOLS[protocolOf(tag)] ?? 'UNKNOWN'],
    ['port', portOf(from.rows[row + Link.port]!)],
    ...(isServer ? [] : [['to', peer] as const]),
  ];
}

function flowText(from: Entries, index: number): Member[] {
  const row = index * Flow.WORDS;
  const tag = from.rows[row + Flow.tag]!;
  const ports = from.rows[row + Flow.ports]!;
  const text = (at: number) => formatAddress(addressBytes(from.rows, row + at, familyOf(tag)));
  const isServer = flowRole(from.flags[index]!) === SocketRole.server;
  const peer = text(Flow.remote);
  return [
    ['active', isActive(from, index)],
    ...(isServer ? [['from', peer] as const] : []),
    ['l4proto', PROTOCOLS[protocolOf(tag)] ?? 'UNKNOWN'],
    ['local_address', text(Flow.local)],
    ['local_port', localPort(ports)],
    ['port', isServer ? localPort(ports) : remotePort(ports)],
    ['remote_port', remotePort(ports)],
    ...(isServer ? [] : [['to', peer] as const]),
  ];
}

function endpointText(
  from: Entries,
  index: number,
  words: number,
  at: { readonly port: number; readonly originator: number; readonly tag: number },
  originator: View['originator'],
): Member[] {
  const row = index * words;
  const id = from.rows[row + at.originator]!;
  const { name, path, args } = id === 0 ? { name: '', path: '', args: '' } : originator(id);
  return [
    ['active', isActive(from, index)],
    ['l4proto', PROTOCOLS[protocolOf(from.rows[row + at.tag]!)] ?? 'UNKNOWN'],
    [
      'originator',
      id === 0 ? undefined : { process_name: name, process_exec_file_path: path, process_args: args },
    ],
    ['port', from.rows[row + at.port]!],
  ];
}

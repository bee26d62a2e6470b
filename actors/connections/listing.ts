import { SocketRole } from '../capture/layout.js';
import { containerId } from '../containers/id.js';
import type { Originator } from '../processes/state.js';
import { escapeJson } from '../telemetry/plain-text.js';
import { isActive } from './activity.js';
import { addressBytes, formatAddress } from './address.js';
import { merge } from './afterglow.js';
import { normalize, type NetworkLists } from './normalize.js';
import {
  Endpoint,
  Flow,
  Link,
  ListeningSocket,
  containerOf,
  familyOf,
  flowRole,
  isAddress,
  localAddress,
  localPort,
  portOf,
  prefixOf,
  protocolOf,
  remotePort,
  linkRole,
} from './rows.js';
import { SlotTable } from './table.js';

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

/**
 * The connections in a table as the text of a JSON object: for each container, by its id, a list. The text comes in
 * pieces, some of them empty, and with each of them the caller may do something else: what is shown is a copy, made in
 * pieces too. So it is of no single moment, but has all that is there from its start to its end.
 */
export function* listConnections(
  flows: SlotTable,
  around: NetworkLists,
  { container, normalize: isNormalized }: View,
): Generator<string> {
  const found = yield* copied(flows, Flow.WORDS, Flow, container);
  if (!isNormalized) {
    yield* grouped(found, Flow, flowText);
    return;
  }
  const links = new SlotTable(Link.WORDS, 0, Infinity, flows.seed);
  for (let slot = 0; slot < found.size; slot++) {
    normalize(found, slot, around, links.key);
    merge(links, links.put(), found.lastActive[slot]!, isActive(found, slot));
    if (slot % SLICE === 0) yield '';
  }
  yield* grouped(links, Link, linkText);
}

/** What the sockets in a table listen on, in the same form; normalised, those that are one endpoint are one entry. */
export function* listEndpoints(sockets: SlotTable, view: View): Generator<string> {
  const { container, originator } = view;
  const found = yield* copied(sockets, ListeningSocket.KEY, ListeningSocket, container);
  if (!view.normalize) {
    yield* grouped(found, ListeningSocket, (from, slot) => [
      ...endpointText(from, slot, ListeningSocket, originator),
      ['pid', from.page(slot)[from.row(slot) + ListeningSocket.pid]!],
    ]);
    return;
  }
  const endpoints = new SlotTable(Endpoint.WORDS, 0, Infinity, sockets.seed);
  for (let slot = 0; slot < found.size; slot++) {
    const rows = found.page(slot);
    const row = found.row(slot);
    for (const word of ['port', 'originator', 'container', 'tag'] as const)
      endpoints.key[Endpoint[word]] = rows[row + ListeningSocket[word]]!;
    // A port that is not known yet is not reported either.
    if (endpoints.key[Endpoint.port] !== 0)
      merge(endpoints, endpoints.put(), found.lastActive[slot]!, isActive(found, slot));
    if (slot % SLICE === 0) yield '';
  }
  yield* grouped(endpoints, Endpoint, (from, slot) => endpointText(from, slot, Endpoint, originator));
}

/** Where a row has its container. */
interface Owner {
  readonly container: number;
  readonly tag: number;
}

/**
 * A table's entries, or those of one container, in a table of their own. The last one comes first: when one is taken
 * out meanwhile, the last moves into its place, so that an entry may be met twice, which is once in the copy, but not
 * never.
 */
function* copied(
  table: SlotTable,
  keyWords: number,
  owner: Owner,
  container: number | undefined,
): Generator<string, SlotTable> {
  const { words, seed } = table;
  const copy = new SlotTable(keyWords, words - keyWords, Infinity, seed);
  for (let slot = table.size - 1; slot >= 0; slot--) {
    if (slot < table.size && (container === undefined || containerAt(table, slot, owner) === container)) {
      const rows = table.page(slot);
      const row = table.row(slot);
      for (let word = 0; word < words; word++) copy.key[word] = rows[row + word]!;
      const at = copy.put();
      copy.lastActive[at] = table.lastActive[slot]!;
      copy.flags[at] = table.flags[slot]!;
    }
    if (slot % SLICE === 0) yield '';
  }
  return copy;
}

function containerAt(table: SlotTable, slot: number, owner: Owner): number {
  const rows = table.page(slot);
  const row = table.row(slot);
  return containerOf(rows[row + owner.container]!, rows[row + owner.tag]!);
}

type Member = readonly [name: string, value: unknown];

/** The text of all entries, by container. */
function* grouped(
  entries: SlotTable,
  owner: Owner,
  members: (entries: SlotTable, slot: number) => readonly Member[],
): Generator<string> {
  const byContainer = new Map<number, number[]>();
  for (let slot = 0; slot < entries.size; slot++) {
    const container = containerAt(entries, slot, owner);
    const known = byContainer.get(container);
    if (known === undefined) byContainer.set(container, [slot]);
    else known.push(slot);
    if (slot % SLICE === 0) yield '';
  }
  let text = '{';
  let separator = '';
  for (const [container, slots] of [...byContainer].sort(([a], [b]) => a - b)) {
    text += `${separator}\n  ${JSON.stringify(containerId(container))} : \n  [`;
    for (let at = 0; at < slots.length; at++) {
      text += `${at === 0 ? '' : ','}\n    {\n${objectText(members(entries, slots[at]!))}\n    }`;
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
  return known.map(([name, value]) => `      "${name}" : ${escapeJson(JSON.stringify(value))}`).join(',\n');
}

function linkText(from: SlotTable, slot: number): Member[] {
  const rows = from.page(slot);
  const row = from.row(slot);
  const tag = rows[row + Link.tag]!;
  const prefix = prefixOf(rows[row + Link.port]!);
  const address = formatAddress(addressBytes(rows, row + Link.remote, familyOf(tag)));
  const isServer = linkRole(tag) === SocketRole.server;
  const peer = isAddress(tag) ? address : `${address}/${prefix}`;
  return [
    ['active', isActive(from, slot)],
    ...(isServer ? [['from', peer] as const] : []),
    ['l4proto', PROTOCOLS[protocolOf(tag)] ?? 'UNKNOWN'],
    ['port', portOf(rows[row + Link.port]!)],
    ...(isServer ? [] : [['to', peer] as const]),
  ];
}

function flowText(from: SlotTable, slot: number): Member[] {
  const rows = from.page(slot);
  const row = from.row(slot);
  const tag = rows[row + Flow.tag]!;
  const ports = rows[row + Flow.ports]!;
  const text = (words: Uint32Array, at: number) => formatAddress(addressBytes(words, at, familyOf(tag)));
  const isServer = flowRole(from.flags[slot]!) === SocketRole.server;
  const peer = text(rows, row + Flow.remote);
  return [
    ['active', isActive(from, slot)],
    ...(isServer ? [['from', peer] as const] : []),
    ['l4proto', PROTOCOLS[protocolOf(tag)] ?? 'UNKNOWN'],
    ['local_address', text(localAddress(rows, row), 0)],
    ['local_port', localPort(ports)],
    ['port', isServer ? localPort(ports) : remotePort(ports)],
    ['remote_port', remotePort(ports)],
    ...(isServer ? [] : [['to', peer] as const]),
  ];
}

function endpointText(
  from: SlotTable,
  slot: number,
  at: { readonly port: number; readonly originator: number; readonly tag: number },
  originator: View['originator'],
): Member[] {
  const rows = from.page(slot);
  const row = from.row(slot);
  const id = rows[row + at.originator]!;
  const { name, path, args } = id === 0 ? { name: '', path: '', args: '' } : originator(id);
  return [
    ['active', isActive(from, slot)],
    ['l4proto', PROTOCOLS[protocolOf(rows[row + at.tag]!)] ?? 'UNKNOWN'],
    [
      'originator',
      id === 0 ? undefined : { process_name: name, process_exec_file_path: path, process_args: args },
    ],
    ['port', rows[row + at.port]!],
  ];
}

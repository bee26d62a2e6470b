import { SocketRole } from '../capture/layout.js';
import { containerId } from '../containers/id.js';
import type { Originator } from '../processes/state.js';
import { escapeJson } from '../telemetry/plain-text.js';
import { isActive } from './activity.js';
import { AF_INET, AF_INET6, addressBytes, formatAddress } from './address.js';
import { merge } from './afterglow.js';
import { normalize, type NetworkLists } from './normalize.js';
import {
  Endpoint,
  Flow,
  Link,
  ListeningSocket,
  containerAt,
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
  type OwnerWords,
} from './rows.js';
import { SlotTable } from './table.js';

/** A request for a listing. */
export interface View {
  /** The number of the only container to list; all without it. */
  readonly container?: number;
  /** As reported, or each socket as the kernel has it. */
  readonly normalize: boolean;
  /** Describes an endpoint's process by its number. */
  readonly originator: (id: number) => Originator;
}

/** `L4Protocol` without its prefix, by IPPROTO_*. */
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP' };

/** The address of each endpoint as reported, by its family. */
const ANY_ADDRESS: Readonly<Record<number, string>> = { [AF_INET]: '0.0.0.0', [AF_INET6]: '::' };

/** Entries to walk, and entries to write, between two pauses: about a millisecond. */
const SLICE = 4096;
const CHUNK = 512;
/** An empty piece of text gives the caller a pause. */
export const PAUSE = '';

/**
 * The connections in a table as the text of a JSON object: for each container, by its id, a list. The text comes in
 * pieces, some of them empty, and the caller may do other work between two: the listing is of a copy, made in pieces
 * too. So it is of no single moment, but has everything present from its start to its end.
 */
export function* listConnections(
  flows: SlotTable,
  lists: NetworkLists,
  { container, normalize: isNormalized }: View,
): Generator<string> {
  const copy = yield* copied(flows, Flow.KEY, Flow, container);
  if (!isNormalized) {
    yield* grouped(copy, Flow, flowText);
    return;
  }
  const links = new SlotTable(Link.WORDS, 0, Infinity, flows.seed);
  for (let slot = 0; slot < copy.size; slot++) {
    normalize(copy, slot, lists, links.key);
    merge(links, links.put(), copy.lastActive[slot]!, isActive(copy, slot));
    if (slot % SLICE === 0) yield PAUSE;
  }
  yield* grouped(links, Link, linkText);
}

/** The listening sockets in a table, in the same form; normalised, the sockets of one endpoint are one entry. */
export function* listEndpoints(sockets: SlotTable, view: View): Generator<string> {
  const { container, originator } = view;
  const copy = yield* copied(sockets, ListeningSocket.KEY, ListeningSocket, container);
  if (!view.normalize) {
    yield* grouped(copy, ListeningSocket, (from, slot) => {
      const address = addressText(from, slot, ListeningSocket.local, from.get(slot, ListeningSocket.tag));
      const pid = from.get(slot, ListeningSocket.pid);
      return [...endpointText(from, slot, ListeningSocket, address, originator), ['pid', pid]];
    });
    return;
  }
  const endpoints = new SlotTable(Endpoint.WORDS, 0, Infinity, sockets.seed);
  for (let slot = 0; slot < copy.size; slot++) {
    for (const word of ['port', 'originator', 'container', 'tag'] as const)
      endpoints.key[Endpoint[word]] = copy.get(slot, ListeningSocket[word]);
    // Sockets on unknown ports are not reported either.
    if (endpoints.key[Endpoint.port] !== 0)
      merge(endpoints, endpoints.put(), copy.lastActive[slot]!, isActive(copy, slot));
    if (slot % SLICE === 0) yield PAUSE;
  }
  yield* grouped(endpoints, Endpoint, (from, slot) => {
    const any = ANY_ADDRESS[familyOf(from.get(slot, Endpoint.tag))]!;
    return endpointText(from, slot, Endpoint, any, originator);
  });
}

/**
 * A copy of a table's entries, or those of one container. Walks from the last entry: when one is removed meanwhile, the
 * last moves into its place, so the walk may meet an entry twice (once in the copy), but misses none.
 */
export function* copied(
  table: SlotTable,
  keyWords: number,
  owner: OwnerWords,
  container: number | undefined,
): Generator<typeof PAUSE, SlotTable> {
  const { words, seed } = table;
  const copy = new SlotTable(keyWords, words - keyWords, Infinity, seed);
  for (let slot = table.size - 1; slot >= 0; slot--) {
    if (slot < table.size && (container === undefined || containerAt(table, slot, owner) === container)) {
      for (let word = 0; word < words; word++) copy.key[word] = table.get(slot, word);
      const at = copy.put();
      copy.lastActive[at] = table.lastActive[slot]!;
      copy.flags[at] = table.flags[slot]!;
    }
    if (slot % SLICE === 0) yield PAUSE;
  }
  return copy;
}

type Member = readonly [name: string, value: unknown];

/** The text of all entries, by container. */
function* grouped(
  entries: SlotTable,
  owner: OwnerWords,
  members: (entries: SlotTable, slot: number) => readonly Member[],
): Generator<string> {
  const byContainer = new Map<number, number[]>();
  for (let slot = 0; slot < entries.size; slot++) {
    const container = containerAt(entries, slot, owner);
    const known = byContainer.get(container);
    if (known === undefined) byContainer.set(container, [slot]);
    else known.push(slot);
    if (slot % SLICE === 0) yield PAUSE;
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
  const tag = from.get(slot, Link.tag);
  const port = from.get(slot, Link.port);
  const address = addressText(from, slot, Link.remote, tag);
  const isServer = linkRole(tag) === SocketRole.server;
  const peer = isAddress(tag) ? address : `${address}/${prefixOf(port)}`;
  return [
    ['active', isActive(from, slot)],
    ...(isServer ? [['from', peer] as const] : []),
    ['l4proto', PROTOCOLS[protocolOf(tag)] ?? 'UNKNOWN'],
    ['port', portOf(port)],
    ...(isServer ? [] : [['to', peer] as const]),
  ];
}

function flowText(from: SlotTable, slot: number): Member[] {
  const tag = from.get(slot, Flow.tag);
  const ports = from.get(slot, Flow.ports);
  const isServer = flowRole(from.flags[slot]!) === SocketRole.server;
  const peer = addressText(from, slot, Flow.remote, tag);
  return [
    ['active', isActive(from, slot)],
    ...(isServer ? [['from', peer] as const] : []),
    ['l4proto', PROTOCOLS[protocolOf(tag)] ?? 'UNKNOWN'],
    ['local_address', localText(from, slot)],
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
  address: string,
  originator: View['originator'],
): Member[] {
  const id = from.get(slot, at.originator);
  const { name, path, args } = id === 0 ? { name: '', path: '', args: '' } : originator(id);
  const port = from.get(slot, at.port);
  return [
    ['active', isActive(from, slot)],
    ['endpoint', { address, port }],
    ['l4proto', PROTOCOLS[protocolOf(from.get(slot, at.tag))] ?? 'UNKNOWN'],
    [
      'originator',
      id === 0 ? undefined : { process_name: name, process_exec_file_path: path, process_args: args },
    ],
    ['port', port],
  ];
}

/** The local address of the flow at `slot`. */
export function localText(flows: SlotTable, slot: number): string {
  const family = familyOf(flows.get(slot, Flow.tag));
  return formatAddress(addressBytes(localAddress(flows, slot), 0, family));
}

/** The address at `word` of the entry at `slot`. */
export function addressText(from: SlotTable, slot: number, word: number, tag: number): string {
  return formatAddress(addressBytes(from.page(slot), from.at(slot, word), familyOf(tag)));
}

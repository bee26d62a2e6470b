import { SocketRole } from '../capture/layout.js';
import { isActive, isScanned } from './activity.js';
import { AF_INET6, ADDRESS_WORDS, type Address } from './address.js';
import { REPORTED, wasReportedRecent } from './afterglow.js';
import { addressText, PAUSE } from './listing.js';
import { normalize, type NetworkLists } from './normalize.js';
import {
  containerAt,
  Endpoint,
  familyOf,
  Flow,
  flowTag,
  isAddress,
  Link,
  linkWords,
  ListeningSocket,
  localAddress,
  localPort,
  prefixOf,
  protocolOf,
  remotePort,
  withFlowRole,
} from './rows.js';
import { Slot, SlotTable } from './table.js';

/** Entries to walk between two pauses: about a millisecond. */
const SLICE = 4096;

/** The connections of a container to look for; absent parts match any. */
export interface ConnectionQuery {
  readonly container: number;
  /** IPPROTO_* */
  readonly protocol?: number;
  readonly local?: Address;
  readonly localPort?: number;
  readonly remote?: Address;
  readonly remotePort?: number;
}

/** The listening sockets of a container to look for. */
export interface EndpointQuery {
  readonly container: number;
  readonly protocol: number;
  readonly port: number;
}

/** The newest observation of a connection or a listening socket. */
export interface Observation {
  readonly active: boolean;
  /** In the facts' clock. */
  readonly time: number;
  readonly scanned: boolean;
}

/** The last report of a link or an endpoint. */
export interface LastReport {
  /** As active; else as closed at `lastActive`. */
  readonly active: boolean;
  readonly lastActive: number;
  /** The peer as reported: an address, a network, or all ones for any external address. Empty for an endpoint. */
  readonly peer: string;
}

/** The state of the newest matching connection or endpoint between the kernel and its report. */
export interface ReportStatus {
  /** Matching entries in the table. */
  readonly matching: number;
  /** undefined: none is in the table. */
  readonly seen: Observation | undefined;
  /** undefined: no report has it, or its end was reported before the latest report. */
  readonly reported: LastReport | undefined;
  /** New ones of the container in the latest report, and its limit. */
  readonly limit: { readonly count: number; readonly most: number };
  /** The table of reported ones has no room. */
  readonly isFull: boolean;
  /** Time of the latest report; -Infinity: there was none. */
  readonly latest: number;
}

/** Times of the latest report, for `wasReportedRecent`. */
export interface LatestReport {
  readonly time: number;
  readonly period: number;
}

/** What is known of a matching entry. */
export type Found = Pick<ReportStatus, 'matching' | 'seen' | 'reported' | 'isFull'>;

/** The tables of connections. */
export interface FlowTables {
  readonly table: SlotTable;
  readonly links: SlotTable;
  readonly lists: NetworkLists;
}

/** Finds the newest matching flow, and the last report of its link; also of a link with all its flows gone. */
export function* findConnection(
  { table, links, lists }: FlowTables,
  query: ConnectionQuery,
  latest: LatestReport,
): Generator<typeof PAUSE, Found> {
  const flow = new SlotTable(Flow.KEY, Flow.WORDS - Flow.KEY, 2, table.seed);
  const { matching, seen } = yield* newest(table, (slot) => isMatching(table, slot, query), flow);
  if (seen === undefined) addFlows(flow, query);
  for (let slot = 0; slot < flow.size; slot++) {
    normalize(flow, slot, lists, links.key);
    const link = links.find(linkWords(links.key[Link.tag]!));
    if (link === Slot.none) continue;
    const reported = lastReport(links, link, latest, peerText(links, link));
    if (reported !== undefined) return { matching, seen, reported, isFull: links.full };
  }
  return { matching, seen, reported: undefined, isFull: links.full };
}

/** Finds the newest matching listening socket, and the last report of an endpoint on its port. */
export function* findEndpoint(
  sockets: SlotTable,
  endpoints: SlotTable,
  { container, protocol, port }: EndpointQuery,
  latest: LatestReport,
): Generator<typeof PAUSE, Found> {
  const { matching, seen } = yield* newest(
    sockets,
    (slot) =>
      sockets.get(slot, ListeningSocket.port) === port &&
      protocolOf(sockets.get(slot, ListeningSocket.tag)) === protocol &&
      containerAt(sockets, slot, ListeningSocket) === container,
  );
  let reported: LastReport | undefined;
  for (let slot = endpoints.size - 1; slot >= 0; slot--) {
    if (slot % SLICE === 0) yield PAUSE;
    if (
      slot >= endpoints.size ||
      endpoints.get(slot, Endpoint.port) !== port ||
      protocolOf(endpoints.get(slot, Endpoint.tag)) !== protocol ||
      containerAt(endpoints, slot, Endpoint) !== container
    )
      continue;
    const report = lastReport(endpoints, slot, latest, '');
    if (report !== undefined && (reported === undefined || report.active)) reported = report;
  }
  return { matching, seen, reported, isFull: endpoints.full };
}

/**
 * Walks from the last entry: when one is removed meanwhile, the last moves into its place, so none is missed.
 * @param copy gets a copy of the newest entry
 */
function* newest(
  table: SlotTable,
  matches: (slot: number) => boolean,
  copy?: SlotTable,
): Generator<typeof PAUSE, Pick<Found, 'matching' | 'seen'>> {
  let matching = 0;
  let seen: Observation | undefined;
  for (let slot = table.size - 1; slot >= 0; slot--) {
    if (slot % SLICE === 0) yield PAUSE;
    if (slot >= table.size || !matches(slot)) continue;
    matching++;
    const time = table.lastActive[slot]!;
    if (seen !== undefined && seen.time >= time) continue;
    seen = { active: isActive(table, slot), time, scanned: isScanned(table, slot) };
    if (copy === undefined) continue;
    copy.clear();
    for (let word = 0; word < copy.words; word++) copy.key[word] = table.get(slot, word);
    copy.flags[copy.put()] = table.flags[slot]!;
  }
  return { matching, seen };
}

function isMatching(flows: SlotTable, slot: number, query: ConnectionQuery): boolean {
  const tag = flows.get(slot, Flow.tag);
  const ports = flows.get(slot, Flow.ports);
  return (
    (query.remotePort ?? remotePort(ports)) === remotePort(ports) &&
    (query.localPort ?? localPort(ports)) === localPort(ports) &&
    (query.protocol ?? protocolOf(tag)) === protocolOf(tag) &&
    containerAt(flows, slot, Flow) === query.container &&
    isSame(query.remote, familyOf(tag), flows.page(slot), flows.at(slot, Flow.remote)) &&
    isSame(query.local, familyOf(tag), localAddress(flows, slot), 0)
  );
}

function isSame(address: Address | undefined, family: number, words: Uint32Array, at: number): boolean {
  if (address === undefined) return true;
  return address.family === family && address.words.every((word, index) => word === words[at + index]);
}

/** Adds the flows a query may have been of, for their links: as a client and as a server. */
function addFlows(flows: SlotTable, query: ConnectionQuery): void {
  const { container, protocol, remote, localPort, remotePort } = query;
  if (protocol === undefined || remote === undefined) return;
  const roles = [
    ...(remotePort === undefined ? [] : [SocketRole.client]),
    ...(localPort === undefined ? [] : [SocketRole.server]),
  ];
  const { key } = flows;
  for (const role of roles) {
    key.fill(0);
    key[Flow.ports] = ((localPort ?? 0) | ((remotePort ?? 0) << 16)) >>> 0;
    // No part of a link; it keeps the two flows apart.
    key[Flow.local] = role;
    key[Flow.container] = container >>> 0;
    key[Flow.tag] = flowTag(container, protocol, remote.family);
    for (let word = 0; word < ADDRESS_WORDS; word++) key[Flow.remote + word] = remote.words[word]!;
    const slot = flows.put();
    flows.flags[slot] = withFlowRole(0, role);
  }
}

function lastReport(
  table: SlotTable,
  slot: number,
  { time, period }: LatestReport,
  peer: string,
): LastReport | undefined {
  if ((table.flags[slot]! & REPORTED) === 0) return undefined;
  return {
    active: wasReportedRecent(table, slot, time, period),
    lastActive: table.reportedActive[slot]!,
    peer,
  };
}

function peerText(links: SlotTable, slot: number): string {
  const tag = links.get(slot, Link.tag);
  const address = addressText(links, slot, Link.remote, tag);
  if (isAddress(tag)) return address;
  const prefix = prefixOf(links.get(slot, Link.port));
  return prefix === (familyOf(tag) === AF_INET6 ? 128 : 32) ? address : `${address}/${prefix}`;
}

import { SocketRole } from '../capture/layout.js';
import {
  ADDRESS_WORDS,
  AF_INET,
  AF_INET6,
  isMapped,
  isPrivate,
  MAPPED_PREFIX,
  type Network,
} from './address.js';
import type { Networks } from './networks.js';
import {
  Flow,
  Link,
  familyOf,
  flowRole,
  isAddress,
  linkPort,
  linkTag,
  localPort,
  prefixOf,
  remotePort,
  linkRole,
} from './rows.js';
import type { SlotTable } from './table.js';

/** The lists and settings for reporting a peer as address, network or external. */
export interface NetworkLists {
  /** Networks with addresses reported as they are. */
  readonly nonAggregated: Networks;
  /** Networks known to Sensor. */
  readonly known: Networks;
  /** Public addresses of the cluster, known to Sensor: networks of full length. */
  readonly publicAddresses: Networks;
  /** Report external addresses: of clients of containers (ingress), of servers of containers (egress). */
  readonly externalIngress: boolean;
  readonly externalEgress: boolean;
}

/** Stands for any external address when they are aggregated: all ones, 255.255.255.255 in IPv4. */
const EXTERNAL: Readonly<Record<number, Uint32Array>> = {
  [AF_INET]: Uint32Array.of(0xffffffff, 0, 0, 0),
  [AF_INET6]: new Uint32Array(ADDRESS_WORDS).fill(0xffffffff),
};

/**
 * Writes the row of the flow's link into `link`. A server is known by its own port and its peer's address, a client by
 * its peer's address and port.
 */
export function normalize(flows: SlotTable, slot: number, lists: NetworkLists, link: Uint32Array): void {
  // Once for each flow and tick: `flows.get` for each word took a tick 1.2 times as long.
  const page = flows.page(slot);
  const row = flows.at(slot, 0);
  const remote = row + Flow.remote;
  const ports = page[row + Flow.ports]!;
  const tag = page[row + Flow.tag]!;
  const role = flowRole(flows.flags[slot]!);
  const isServer = role === SocketRole.server;

  let words = page;
  let from = remote;
  let family = familyOf(tag);
  let prefix = 0;
  let isAddress = true;

  const network = lists.known.find(page, remote, family);
  if (isPrivate(page, remote, family) || lists.nonAggregated.has(page, remote, family)) {
    const networkFamily = isMapped(page, remote, family) ? AF_INET : family;
    if (network && lists.known.hasPrivate(networkFamily)) prefix = prefixIn(network, family);
  } else if (lists.publicAddresses.has(page, remote, family)) {
    if (network) prefix = prefixIn(network, family);
  } else if (network) {
    ({ words, family, prefix } = network);
    from = 0;
    isAddress = false;
  } else if (isServer ? lists.externalIngress : lists.externalEgress) {
    prefix = family === AF_INET6 ? 128 : 32;
    isAddress = false;
  } else {
    words = EXTERNAL[family]!;
    from = 0;
  }

  link[Link.port] = linkPort(isServer ? localPort(ports) : remotePort(ports), prefix);
  for (let word = 0; word < ADDRESS_WORDS; word++) link[Link.remote + word] = words[from + word]!;
  link[Link.container] = page[row + Flow.container]!;
  link[Link.tag] = linkTag(tag, role, family, isAddress);
}

/** Directions with a changed setting: external addresses are reported now and were not before, or the reverse. */
export interface TurnedDirections {
  readonly ingress: boolean;
  readonly egress: boolean;
}

/**
 * Whether the link at `slot` has a turned direction and an outdated form: aggregated where external addresses are
 * reported now, or by an address aggregated now.
 */
export function isOutdated(
  links: SlotTable,
  slot: number,
  lists: NetworkLists,
  turned: TurnedDirections,
): boolean {
  const tag = links.get(slot, Link.tag);
  const isServer = linkRole(tag) === SocketRole.server;
  if (!(isServer ? turned.ingress : turned.egress)) return false;

  const page = links.page(slot);
  const remote = links.at(slot, Link.remote);
  const family = familyOf(tag);
  if (isServer ? lists.externalIngress : lists.externalEgress)
    return isAddress(tag) && EXTERNAL[family]!.every((word, index) => word === page[remote + index]);
  const isFullLength = prefixOf(links.get(slot, Link.port)) === (family === AF_INET6 ? 128 : 32);
  return !isAddress(tag) && isFullLength && !lists.known.has(page, remote, family);
}

/** The length of the network's prefix in an address of `family`. */
function prefixIn(network: Network, family: number): number {
  return network.family !== family && network.prefix > 0 ? network.prefix + MAPPED_PREFIX : network.prefix;
}

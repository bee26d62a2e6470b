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

/** What decides how much of a peer's address is told. */
export interface NetworkLists {
  /** Networks whose addresses are told as they are. */
  readonly nonAggregated: Networks;
  /** Networks that Sensor knows. */
  readonly known: Networks;
  /** Public addresses that Sensor knows to be of the cluster: networks of full length. */
  readonly publicAddresses: Networks;
  /** Tell external addresses: of those who connect to containers, of those whom containers connect to. */
  readonly externalIngress: boolean;
  readonly externalEgress: boolean;
}

/** Stands for any address that is told as no more than external: all ones, 255.255.255.255 in IPv4. */
const EXTERNAL: Readonly<Record<number, Uint32Array>> = {
  [AF_INET]: Uint32Array.of(0xffffffff, 0, 0, 0),
  [AF_INET6]: new Uint32Array(ADDRESS_WORDS).fill(0xffffffff),
};

/**
 * Writes into `link` the row that the flow at `slot` is reported as. A server is known by its own port and its peer's
 * address, a client by its peer's address and port.
 */
export function normalize(flows: SlotTable, slot: number, around: NetworkLists, link: Uint32Array): void {
  const rows = flows.page(slot);
  const row = flows.row(slot);
  const remote = row + Flow.remote;
  const ports = rows[row + Flow.ports]!;
  const tag = rows[row + Flow.tag]!;
  const role = flowRole(flows.flags[slot]!);
  const isServer = role === SocketRole.server;

  let words = rows;
  let from = remote;
  let family = familyOf(tag);
  let prefix = 0;
  let isAddress = true;

  const network = around.known.find(rows, remote, family);
  if (isPrivate(rows, remote, family) || around.nonAggregated.has(rows, remote, family)) {
    const networkFamily = isMapped(rows, remote, family) ? AF_INET : family;
    if (network && around.known.hasPrivate(networkFamily)) prefix = prefixIn(network, family);
  } else if (around.publicAddresses.has(rows, remote, family)) {
    if (network) prefix = prefixIn(network, family);
  } else if (network) {
    ({ words, family, prefix } = network);
    from = 0;
    isAddress = false;
  } else if (isServer ? around.externalIngress : around.externalEgress) {
    prefix = family === AF_INET6 ? 128 : 32;
    isAddress = false;
  } else {
    words = EXTERNAL[family]!;
    from = 0;
  }

  link[Link.port] = linkPort(isServer ? localPort(ports) : remotePort(ports), prefix);
  for (let word = 0; word < ADDRESS_WORDS; word++) link[Link.remote + word] = words[from + word]!;
  link[Link.container] = rows[row + Flow.container]!;
  link[Link.tag] = linkTag(tag, role, family, isAddress);
}

/** Directions in which external addresses are told now and were not before, or the other way round. */
export interface TurnedDirections {
  readonly ingress: boolean;
  readonly egress: boolean;
}

/**
 * Whether the link at `slot` is of a direction that was turned and is told as nothing is told any more: aggregated
 * where external addresses are told now, or by an address that is aggregated now.
 */
export function isOutdated(
  links: SlotTable,
  slot: number,
  around: NetworkLists,
  turned: TurnedDirections,
): boolean {
  const rows = links.page(slot);
  const row = links.row(slot);
  const remote = row + Link.remote;
  const tag = rows[row + Link.tag]!;
  const isServer = linkRole(tag) === SocketRole.server;
  if (!(isServer ? turned.ingress : turned.egress)) return false;

  const family = familyOf(tag);
  const external = EXTERNAL[family]!;
  const prefix = prefixOf(rows[row + Link.port]!);
  if (isServer ? around.externalIngress : around.externalEgress)
    return isAddress(tag) && external.every((word, index) => word === rows[remote + index]);
  return (
    !isAddress(tag) && prefix === (family === AF_INET6 ? 128 : 32) && !around.known.has(rows, remote, family)
  );
}

/** The length of the network's prefix in an address of `family`. */
function prefixIn(network: Network, family: number): number {
  return network.family !== family && network.prefix > 0 ? network.prefix + MAPPED_PREFIX : network.prefix;
}

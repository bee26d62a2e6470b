import { SocketRole } from '../capture/layout.js';
import { AF_INET6, addressBytes } from './address.js';
import {
  Endpoint,
  Link,
  containerAt,
  containerOf,
  familyOf,
  isAddress,
  portOf,
  prefixOf,
  protocolOf,
  linkRole,
} from './rows.js';
import type { SlotTable } from './table.js';

/** Changes between two ticks, or a part of them. */
export interface Delta {
  readonly connections: ConnectionReport[];
  readonly endpoints: EndpointReport[];
}

/** One side of a connection: `sensor.NetworkAddress`. */
export interface AddressReport {
  /** 4 or 16 bytes in network order; none if only the network is reported, or nothing at all. */
  readonly address: Uint8Array;
  readonly port: number;
  /** The bytes of an address and one of the prefix's length: 5, 17 or none. */
  readonly network: Uint8Array;
}

interface SocketReport {
  /** As in records: 0 for the host. */
  readonly container: number;
  /** IPPROTO_* */
  readonly protocol: number;
  /** Unix time in µs; undefined while it is open. */
  readonly closedAt: number | undefined;
}

/** `sensor.NetworkConnection`: a server's local side has only a port, a client has none. */
export interface ConnectionReport extends SocketReport {
  /** `SocketRole` of the local side. */
  readonly role: number;
  readonly local: AddressReport | undefined;
  readonly remote: AddressReport;
}

/** `sensor.NetworkEndpoint`: of the address, only the family is reported. */
export interface EndpointReport extends SocketReport {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  readonly listen: AddressReport;
  /** Number of the listening process, as interned elsewhere; 0 if not known. */
  readonly originator: number;
}

const NOTHING = new Uint8Array(0);

export function connectionReport(
  links: SlotTable,
  slot: number,
  closedAt: number | undefined,
): ConnectionReport {
  const page = links.page(slot);
  const row = links.at(slot, 0);
  const tag = page[row + Link.tag]!;
  const port = portOf(page[row + Link.port]!);
  const prefix = prefixOf(page[row + Link.port]!);
  const bytes = addressBytes(page, row + Link.remote, familyOf(tag));
  const isServer = linkRole(tag) === SocketRole.server;
  return {
    container: containerOf(page[row + Link.container]!, tag),
    protocol: protocolOf(tag),
    role: linkRole(tag),
    local: isServer ? { address: NOTHING, port, network: NOTHING } : undefined,
    remote: {
      address: isAddress(tag) ? bytes : NOTHING,
      port: isServer ? 0 : port,
      network: prefix > 0 ? Uint8Array.of(...bytes, prefix) : NOTHING,
    },
    closedAt,
  };
}

export function endpointReport(
  endpoints: SlotTable,
  slot: number,
  closedAt: number | undefined,
): EndpointReport {
  const tag = endpoints.get(slot, Endpoint.tag);
  const family = familyOf(tag);
  const any = new Uint8Array(family === AF_INET6 ? 16 : 4);
  return {
    container: containerAt(endpoints, slot, Endpoint),
    protocol: protocolOf(tag),
    family,
    listen: {
      address: any,
      port: endpoints.get(slot, Endpoint.port),
      network: Uint8Array.of(...any, any.length * 8),
    },
    originator: endpoints.get(slot, Endpoint.originator),
    closedAt,
  };
}

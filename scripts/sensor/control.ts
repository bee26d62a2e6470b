import { isIP } from 'node:net';
import { AF_INET, addressBytes, parseNetwork, type Network } from '../../actors/connections/address.js';
import type { Json } from './codec.js';

/** The network lists sent to collectors. A list not given is not sent, an empty one is sent as empty. */
export interface ControlLists {
  /** In CIDR form. */
  readonly networks?: readonly string[];
  readonly publicIps?: readonly string[];
}

/**
 * A `sensor.NetworkFlowsControlMessage`.
 * @throws Error with the bad value and the allowed ones
 */
export function controlMessage({ networks, publicIps }: ControlLists): Json {
  return {
    ...(publicIps && { publicIpAddresses: addressList(publicIps.map(parseAddress)) }),
    ...(networks && { ipNetworks: networkList(networks.map(parseNetwork)) }),
  };
}

function parseAddress(text: string): Network {
  const family = isIP(text);
  if (family === 0) throw new Error(`address '${text}': expected one such as 203.0.113.7 or 2001:db8::7`);
  return parseNetwork(`${text}/${family === 4 ? 32 : 128}`);
}

function addressList(addresses: readonly Network[]): Json {
  const { v4, v6 } = byFamily(addresses);
  return {
    ipv4Addresses: v4.map(({ words }) => words[0]),
    // Halves of 64 bits, the upper one first, as objects protobufjs accepts for a fixed64.
    ipv6Addresses: v6.flatMap(({ words }) => [
      { high: words[0], low: words[1] },
      { high: words[2], low: words[3] },
    ]),
  };
}

function networkList(networks: readonly Network[]): Json {
  const { v4, v6 } = byFamily(networks);
  return { ipv4Networks: networkBytes(v4), ipv6Networks: networkBytes(v6) };
}

/** Writes for each network its address in network order, then the prefix's length. */
function networkBytes(networks: readonly Network[]): Buffer {
  return Buffer.from(
    networks.flatMap(({ words, family, prefix }) => [...addressBytes(words, 0, family), prefix]),
  );
}

function byFamily(networks: readonly Network[]): { v4: Network[]; v6: Network[] } {
  const isV4 = ({ family }: Network): boolean => family === AF_INET;
  return { v4: networks.filter(isV4), v6: networks.filter((network) => !isV4(network)) };
}

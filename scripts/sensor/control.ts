import { isIPv6 } from 'node:net';
import { parseNetwork, addressBytes, AF_INET6 } from '../../actors/connections/address.js';
import type { Json } from './codec.js';

/** What Sensor tells collectors of addresses. */
export interface ControlLists {
  /** In CIDR form. */
  readonly networks?: readonly string[];
  readonly publicIps?: readonly string[];
}

/** A `sensor.NetworkFlowsControlMessage` with these lists, in the JSON form of protobuf. @throws Error that names the value */
export function controlMessage({ networks, publicIps }: ControlLists): Json {
  return {
    ...(publicIps && { publicIpAddresses: addressList(publicIps) }),
    ...(networks && { ipNetworks: networkList(networks) }),
  };
}

function addressList(addresses: readonly string[]): Json {
  const parsed = addresses.map((address) => parseNetwork(`${address}/${isIPv6(address) ? 128 : 32}`));
  const [v4, v6] = split(parsed);
  return {
    ipv4Addresses: v4.map(({ words }) => words[0]!),
    ipv6Addresses: v6.flatMap(({ words }) =>
      [0, 2].map((at) => ((BigInt(words[at]!) << 32n) | BigInt(words[at + 1]!)).toString()),
    ),
  };
}

function networkList(networks: readonly string[]): Json {
  const [v4, v6] = split(networks.map(parseNetwork));
  const bytes = (list: Networks) =>
    Buffer.concat(
      list.map(({ words, family, prefix }) => Buffer.of(...addressBytes(words, 0, family), prefix)),
    );
  return { ipv4Networks: bytes(v4).toString('base64'), ipv6Networks: bytes(v6).toString('base64') };
}

type Networks = ReturnType<typeof parseNetwork>[];

function split(networks: Networks): [Networks, Networks] {
  return [
    networks.filter(({ family }) => family !== AF_INET6),
    networks.filter(({ family }) => family === AF_INET6),
  ];
}

/** Draws the graph of connections and listening ports from Sensor's messages alone, like a user. */
import type { Address, Message } from './messages.js';

/** From when to when something was there, Unix time in ms; without an end it still is. */
export interface Span {
  readonly from: number;
  readonly until?: number;
}

/** The times of each edge by its name, and the contradictions in the messages. */
export interface Graph {
  readonly edges: ReadonlyMap<string, readonly Span[]>;
  readonly flaws: readonly string[];
}

/** A client's edge to a peer as reported, a server's from one, or a listening port. */
export const edgeName = {
  client: (container: string, peer: string, port: number) => `${container} -> ${peer} :${port}`,
  server: (container: string, peer: string, port: number) => `${container} :${port} <- ${peer}`,
  listener: (container: string, family: 'IPV4' | 'IPV6', port: number) =>
    `${container} listens on :${port} of ${family}`,
} as const;

/** The bytes of an address in hexadecimal, and those of its network: `0a000001 in 0a000000/8`. */
export function peerName(address: Uint8Array, network: Uint8Array): string {
  const parts: string[] = [];
  if (address.length > 0) parts.push(Buffer.from(address).toString('hex'));
  if (network.length > 0) {
    parts.push(`in ${Buffer.from(network.subarray(0, -1)).toString('hex')}/${network.at(-1)}`);
  }
  return parts.join(' ');
}

/**
 * An edge exists from the time of the first message reporting it until the closing time in a later one.
 * @param messages in the order of their arrival
 */
export function drawGraph(messages: readonly Message[]): Graph {
  const edges = new Map<string, { from: number; until?: number }[]>();
  const flaws: string[] = [];
  const draw = (name: string, time: number, closed: string | undefined): void => {
    const spans = edges.get(name) ?? [];
    edges.set(name, spans);
    const last = spans.at(-1);
    const isOpen = last !== undefined && last.until === undefined;
    if (closed === undefined) {
      if (isOpen) flaws.push(`${name} is reported open while it is open`);
      else spans.push({ from: time });
    } else if (isOpen) last.until = Date.parse(closed);
    else flaws.push(`${name} is reported closed and is not open`);
  };

  for (const { info } of messages) {
    if (info === undefined) continue;
    const time = Date.parse(info.time);
    for (const {
      containerId = '',
      role,
      localAddress,
      remoteAddress,
      protocol,
      closeTimestamp,
    } of info.updatedConnections ?? []) {
      const isServer = role === 'ROLE_SERVER';
      if (protocol !== 'L4_PROTOCOL_TCP') flaws.push(`${containerId} has a connection of ${protocol}`);
      if (isServer && remoteAddress.port !== undefined)
        flaws.push(`${containerId} has two ports in one connection`);
      if (isServer ? localAddress?.addressData : localAddress) {
        flaws.push(`${containerId} reports a local address as ${role}`);
      }
      const name = isServer ? edgeName.server : edgeName.client;
      draw(
        name(containerId, nameOf(remoteAddress), (isServer ? localAddress : remoteAddress)?.port ?? 0),
        time,
        closeTimestamp,
      );
    }
    for (const { containerId = '', socketFamily, listenAddress, closeTimestamp } of info.updatedEndpoints ??
      []) {
      const family = socketFamily === 'SOCKET_FAMILY_IPV6' ? 'IPV6' : 'IPV4';
      draw(edgeName.listener(containerId, family, listenAddress.port ?? 0), time, closeTimestamp);
    }
  }
  return { edges, flaws };
}

function nameOf({ addressData = '', ipNetwork = '' }: Address): string {
  return peerName(Buffer.from(addressData, 'base64'), Buffer.from(ipNetwork, 'base64'));
}

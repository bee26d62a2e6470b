/** The daemon's JSON messages, as far as specs look at them, and the ones they expect. */
import { addressBytes } from './records.js';

const TCP = 'L4_PROTOCOL_TCP';
const UDP = 'L4_PROTOCOL_UDP';

export interface ProcessSignal {
  readonly id: string;
  readonly containerId?: string;
  readonly time: string;
  readonly name: string;
  readonly args?: string;
  readonly execFilePath: string;
  readonly pid: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly scraped?: true;
  readonly lineageInfo?: readonly { readonly parentUid?: number; readonly parentExecFilePath: string }[];
}

export interface Address {
  readonly addressData?: string;
  readonly port?: number;
  readonly ipNetwork?: string;
}

export interface Connection {
  /** Absent for a client. */
  readonly localAddress?: Address;
  readonly remoteAddress: Address;
  readonly protocol: string;
  readonly role: string;
  readonly containerId?: string;
  readonly closeTimestamp?: string;
}

export interface Endpoint {
  readonly socketFamily: string;
  readonly protocol: string;
  readonly listenAddress: Address;
  readonly containerId?: string;
  readonly closeTimestamp?: string;
  readonly originator?: {
    readonly processName: string;
    readonly processExecFilePath: string;
    readonly processArgs?: string;
  };
}

/** One line of standard output. */
export interface Message {
  readonly signal?: { readonly processSignal: ProcessSignal };
  readonly info?: {
    readonly time: string;
    readonly updatedConnections?: readonly Connection[];
    readonly updatedEndpoints?: readonly Endpoint[];
  };
}

/** What a container's connection to a peer is reported as. */
export function client(containerId: string, address: string, port: number): Connection {
  const remoteAddress = { addressData: base64(address), port };
  return { remoteAddress, protocol: TCP, role: 'ROLE_CLIENT', containerId };
}

/** What a peer's connection to a container is reported as. */
export function server(containerId: string, port: number, address: string): Connection {
  const remoteAddress = { addressData: base64(address) };
  return { localAddress: { port }, remoteAddress, protocol: TCP, role: 'ROLE_SERVER', containerId };
}

/** The same over UDP. */
export function overUdp(connection: Connection): Connection {
  return { ...connection, protocol: UDP };
}

/** What a port that a container listens on is reported as. */
export function endpoint(
  containerId: string,
  family: 'IPV4' | 'IPV6',
  port: number,
  originator: Endpoint['originator'],
): Endpoint {
  const size = family === 'IPV6' ? 16 : 4;
  return {
    socketFamily: `SOCKET_FAMILY_${family}`,
    protocol: TCP,
    listenAddress: {
      addressData: Buffer.alloc(size).toString('base64'),
      port,
      ipNetwork: Buffer.from([...Buffer.alloc(size), size * 8]).toString('base64'),
    },
    containerId,
    ...(originator && { originator }),
  };
}

function base64(address: string): string {
  return Buffer.from(addressBytes(address)).toString('base64');
}

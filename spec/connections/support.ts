import type { Audience, ScanFact, StateSettings } from '../../actors/capture/facts.js';
import type { Records } from '../../actors/capture/records.js';
import { formatAddress } from '../../actors/connections/address.js';
import type {
  AddressReport,
  ConnectionReport,
  Delta,
  EndpointReport,
} from '../../actors/connections/report.js';
import type { OriginatorOf } from '../../actors/connections/listening-sockets.js';
import { ConnectionState } from '../../actors/connections/state.js';
import type { RuntimeConfig } from '../../actors/settings/runtime-config.js';
import { stateSettings } from '../support/facts.js';
import { batch, socketRecord, type Socket } from '../support/records.js';

export const SECOND = 1e9;

const ROLES = ['unknown', 'server', 'client'];

/** The changes of a tick, in words and in order of the words. */
export interface Changes {
  connections: string[];
  endpoints: string[];
}

interface Options extends Partial<StateSettings> {
  originatorOf?: OriginatorOf;
  seed?: number;
  mostFlows?: number;
  /** Unix time minus CLOCK_BOOTTIME, ns. */
  epoch?: number;
  /** Entries in a slice of a tick. */
  slice?: number;
}

/** A state fed with facts in words; its times are seconds of CLOCK_BOOTTIME, its containers small numbers. */
export class Story {
  readonly state: ConnectionState;
  readonly #epoch: number;
  readonly #slice: number | undefined;
  #config: RuntimeConfig;

  constructor({ originatorOf = () => 0, seed = 1, mostFlows, epoch = 0, slice, ...settings }: Options = {}) {
    this.#epoch = epoch;
    this.#slice = slice;
    const all = stateSettings(settings);
    this.#config = { externalIps: all.externalIps, maxConnectionsPerMinute: all.maxConnectionsPerMinute };
    this.state = new ConnectionState(all, originatorOf, seed, mostFlows);
  }

  /** Records of one batch, in this order. */
  events(...sockets: Socket[]): this {
    const records = batch(...sockets.map(inSeconds));
    for (let at = 0; at < records.length; at += records.size(at)) this.state.record(records, at);
    return this;
  }

  /** A scan begun at `second`, with these sockets. */
  scan(second: number, ...sockets: Socket[]): this {
    return this.#scan(second, sockets);
  }

  /** The same, after records were lost. */
  scanAfterLoss(second: number, ...sockets: Socket[]): this {
    return this.#scan(second, sockets, undefined, true);
  }

  /** The same in parts of so many sockets, and one without any at its end. */
  scanInParts(second: number, size: number, sockets: Socket[], afterLoss = false): this {
    for (let at = 0; at === 0 || at < sockets.length; at += size)
      this.#scan(second, sockets.slice(at, at + size), at === 0 ? 'first' : 'next');
    return this.#scan(second, [], 'last', afterLoss);
  }

  #scan(second: number, sockets: Socket[], part?: ScanFact['part'], afterLoss = false): this {
    this.state.scan({
      kind: 'scan',
      of: 'sockets',
      ...(part && { part }),
      ...(afterLoss && { afterLoss }),
      audience: 'same',
      time: nanoseconds(second),
      records: listed(...sockets),
    });
    return this;
  }

  /** The runtime configuration from `second` on. */
  config(second: number, config: Partial<RuntimeConfig>): this {
    this.#config = { ...this.#config, ...config };
    this.state.config({ kind: 'config', time: nanoseconds(second), ...this.#config });
    return this;
  }

  delta(second: number, audience: Audience = 'same'): Delta {
    const fact = { kind: 'tick', time: nanoseconds(second), epoch: this.#epoch, audience } as const;
    return whole(this.state.tick(fact, this.#slice));
  }

  tick(second: number, audience: Audience = 'same'): Changes {
    const { connections, endpoints } = this.delta(second, audience);
    return {
      connections: connections.map(showConnection).sort(),
      endpoints: endpoints.map(showEndpoint).sort(),
    };
  }

  connections(second: number, audience: Audience = 'same'): string[] {
    return this.tick(second, audience).connections;
  }

  endpoints(second: number): string[] {
    return this.tick(second).endpoints;
  }
}

/** The sum of all parts of a tick. */
export function whole(parts: Iterable<Delta | undefined>): Delta {
  const all: Delta = { connections: [], endpoints: [] };
  for (const part of parts) {
    all.connections.push(...(part?.connections ?? []));
    all.endpoints.push(...(part?.endpoints ?? []));
  }
  return all;
}

/** A client of container 1. */
export function client(socket: Socket = {}): Socket {
  return {
    container: 1,
    role: 'client',
    local: '10.0.0.1',
    localPort: 40000,
    remote: '10.0.0.9',
    remotePort: 80,
    ...socket,
  };
}

/** A connection accepted by container 1. */
export function server(socket: Socket = {}): Socket {
  return {
    container: 1,
    role: 'server',
    local: '10.0.0.1',
    localPort: 8080,
    remote: '10.0.0.9',
    remotePort: 50000,
    ...socket,
  };
}

/** A listening socket of process 7 in container 1. */
export function listener(socket: Socket = {}): Socket {
  return { type: 'listen', container: 1, pid: 7, cookie: 100, local: '0.0.0.0', localPort: 8080, ...socket };
}

/** `<container> <role> :<local port> - <remote side>`, and the second of its end. */
export function showConnection(report: ConnectionReport): string {
  const { container, role, local, remote } = report;
  return `${container} ${ROLES[role]} ${showSide(local)} - ${showSide(remote)}${showClosed(report)}`;
}

/** `<container> <family> :<port> by <originator>`, and the second of its end. */
export function showEndpoint(report: EndpointReport): string {
  const { container, listen, originator } = report;
  return `${container} ${showSide(listen)} by ${originator}${showClosed(report)}`;
}

function showSide(side: AddressReport | undefined): string {
  if (side === undefined) return 'nothing';
  const { address, port, network } = side;
  const parts: string[] = [];
  if (address.length > 0) parts.push(formatAddress(address));
  if (network.length > 0) parts.push(`in ${formatAddress(network.subarray(0, -1))}/${network.at(-1)}`);
  if (port !== 0) parts.push(`:${port}`);
  return parts.join(' ') || 'nothing';
}

function showClosed({ closedAt }: { closedAt: number | undefined }): string {
  return closedAt === undefined ? '' : ` closed ${closedAt / 1e6}`;
}

function listed(...sockets: Socket[]): Records {
  return batch(...sockets.map((socket) => socketRecord({ state: 1, ...stateOf(socket), type: 'socket' })));
}

/** A scan has no types: the TCP state marks a listening socket. */
function stateOf(socket: Socket): Socket {
  return socket.type === 'listen' ? { ...socket, state: 10 } : socket;
}

function inSeconds(socket: Socket): Uint8Array {
  return socketRecord({ ...socket, time: nanoseconds(Number(socket.time ?? 0)) });
}

function nanoseconds(seconds: number): number {
  return Math.round(seconds * SECOND);
}

import type { SensorEvent } from '../sensor/events.js';
import type { WorkCounts } from './work.js';

interface SignalMessage {
  readonly signal?: {
    readonly processSignal?: { readonly containerId?: string; readonly args?: string };
  };
}

interface NetworkMessage {
  readonly info?: {
    readonly updatedConnections?: readonly {
      readonly containerId?: string;
      readonly role?: string;
      readonly localAddress?: { readonly port?: number };
      readonly remoteAddress?: { readonly port?: number };
    }[];
    readonly updatedEndpoints?: readonly {
      readonly containerId?: string;
      readonly listenAddress?: { readonly port?: number };
    }[];
  };
}

/** Digits of a container's id in messages. */
const ID_DIGITS = 12;

/** Counts the work of the loads in messages to Sensor, each exec, endpoint and end of a connection once. */
export class Delivered {
  readonly #processes: string;
  readonly #ports: string;
  readonly #execs = new Set<string>();
  readonly #endpoints = new Set<number>();
  readonly #connections = new Set<string>();

  /** @param processes id of the container of processes @param ports id of the container of ports */
  constructor(processes: string, ports: string) {
    this.#processes = processes.slice(0, ID_DIGITS);
    this.#ports = ports.slice(0, ID_DIGITS);
  }

  take(event: SensorEvent): void {
    if (!('message' in event)) return;
    if (event.stream === 'signals') this.#takeSignal(event.message);
    else this.#takeNetwork(event.message);
  }

  get counts(): WorkCounts {
    return {
      execs: this.#execs.size,
      endpoints: this.#endpoints.size,
      connections: this.#connections.size,
    };
  }

  #takeSignal({ signal }: SignalMessage): void {
    const { containerId, args } = signal?.processSignal ?? {};
    // The load numbers its programs; itself it has other arguments.
    if (containerId === this.#processes && /^\d+$/.test(args ?? '')) this.#execs.add(args!);
  }

  #takeNetwork({ info }: NetworkMessage): void {
    for (const { containerId, listenAddress } of info?.updatedEndpoints ?? [])
      if (containerId === this.#ports && listenAddress?.port !== undefined)
        this.#endpoints.add(listenAddress.port);
    for (const { containerId, role, localAddress, remoteAddress } of info?.updatedConnections ?? []) {
      const port = role === 'ROLE_SERVER' ? localAddress?.port : remoteAddress?.port;
      if (containerId === this.#ports && port !== undefined) this.#connections.add(`${role} ${port}`);
    }
  }
}

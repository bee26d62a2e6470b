import { sensor } from '../../proto/generated/messages.js';
import type { Sizes } from './model.js';
import { wireBytes, type StreamName } from './traffic.js';

const { NetworkConnectionInfoMessage } = sensor;

/** Parts of messages: how many there were, and their bytes. */
export type Weighed = Record<keyof Sizes, { count: number; bytes: number }>;

const PARTS = ['signal', 'connection', 'endpoint', 'report'] as const;

/** Weighs the parts of messages. */
export class SizeMeter {
  readonly weighed = Object.fromEntries(PARTS.map((part) => [part, { count: 0, bytes: 0 }])) as Weighed;

  take(stream: StreamName, message: Buffer): void {
    if (stream === 'signals') this.#add('signal', 1, wireBytes(message.length));
    else this.#takeReport(message);
  }

  addAll(other: Weighed): void {
    for (const part of PARTS) this.#add(part, other[part].count, other[part].bytes);
  }

  /** Means of everything weighed. @throws Error if something was never there */
  get sizes(): Sizes {
    const mean = (of: keyof Sizes): number => {
      const { count, bytes } = this.weighed[of];
      if (count === 0) throw new Error(`No ${of} among the messages: simulate more nodes`);
      return bytes / count;
    };
    return {
      signal: mean('signal'),
      connection: mean('connection'),
      endpoint: mean('endpoint'),
      report: mean('report'),
    };
  }

  #takeReport(message: Buffer): void {
    const { info } = NetworkConnectionInfoMessage.decode(message);
    if (info == null) return;
    const updatedConnections = info.updatedConnections ?? [];
    const updatedEndpoints = info.updatedEndpoints ?? [];
    const connections = sizeOf({ updatedConnections });
    const endpoints = sizeOf({ updatedEndpoints });
    this.#add('connection', updatedConnections.length, connections);
    this.#add('endpoint', updatedEndpoints.length, endpoints);
    this.#add('report', 1, wireBytes(message.length) - connections - endpoints);
  }

  #add(of: keyof Sizes, count: number, bytes: number): void {
    this.weighed[of].count += count;
    this.weighed[of].bytes += bytes;
  }
}

/** Bytes of these parts of a report. */
function sizeOf(info: sensor.NetworkConnectionInfo.$Properties): number {
  return NetworkConnectionInfoMessage.encode({ info }).finish().length - EMPTY;
}

const EMPTY = NetworkConnectionInfoMessage.encode({ info: {} }).finish().length;

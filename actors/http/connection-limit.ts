import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Connections of one server at a time, at most. */
const MOST_CONNECTIONS = 1024;
/** Connections of one server taken in any case. */
const FEWEST_CONNECTIONS = 8;
/** Validity of a count of descriptors, ms: in a flood not every connection may cause a new count. */
const COUNT_MS = 1000;
/** Descriptors left for collecting: a scan, streams to Sensor and runtimes with their names, files to read. */
const SPARE_DESCRIPTORS = 64;

/**
 * Bounds the connections of all servers of this process together, each with the same share: 1,024, or the rest of the
 * limit of open files beside all other open ones. The oldest connection of a server makes room for its newest, so
 * clients with idle connections keep nobody out.
 */
export class ConnectionLimit {
  readonly #servers: Set<Socket>[] = [];
  readonly #onCut: () => void;
  readonly #descriptors: () => Descriptors;
  /** Descriptors for connections, as of the latest count. */
  #room = 0;
  #counted = -Infinity;

  /** @param onCut a connection had to make room @param descriptors of this process */
  constructor(onCut: () => void = () => undefined, descriptors: () => Descriptors = readDescriptors) {
    this.#onCut = onCut;
    this.#descriptors = descriptors;
  }

  /** Applies the limit to a server. */
  watch(server: Server): void {
    const open = new Set<Socket>();
    this.#servers.push(open);
    server.on('connection', (socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      // Small numbers fit whatever the limit is: there is nothing to count then.
      for (let most = open.size > FEWEST_CONNECTIONS ? this.#share() : Infinity; open.size > most;) {
        const [oldest] = open as unknown as [Socket];
        open.delete(oldest);
        oldest.destroy();
        this.#onCut();
      }
    });
  }

  /** Connections that each server may have now. */
  #share(): number {
    const now = performance.now();
    if (now - this.#counted > COUNT_MS) {
      const { limit, used } = this.#descriptors();
      const connections = this.#servers.reduce((sum, { size }) => sum + size, 0);
      this.#room = limit - (used - connections) - SPARE_DESCRIPTORS;
      this.#counted = now;
    }
    const share = Math.floor(this.#room / this.#servers.length);
    return Math.max(Math.min(share, MOST_CONNECTIONS), FEWEST_CONNECTIONS);
  }
}

/** Open files of a process, and how many it may have. */
export interface Descriptors {
  readonly limit: number;
  readonly used: number;
}

/** The descriptors of this process now. Where they can't be counted, none is left to count them with. */
function readDescriptors(): Descriptors {
  try {
    const [, limit = 'unlimited'] =
      /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    const used = readdirSync('/proc/self/fd').length;
    return { limit: limit === 'unlimited' ? Infinity : Number(limit), used };
  } catch {
    return { limit: 0, used: 0 };
  }
}

import { once } from 'node:events';
import net from 'node:net';
import type { Resource } from './resource.js';

/** A way to a server that can lose all that goes over it, as a network does whose packets nobody answers. */
export class BlackHole implements Resource {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #swallows = false;

  private constructor(host: string, port: number) {
    this.#server = net.createServer((from) => {
      const to = net.connect(port, host);
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one);
        one.on('data', (bytes) => this.#swallows || other.write(bytes));
        one
          .on('error', () => undefined)
          .on('close', () => {
            this.#sockets.delete(one);
            if (!this.#swallows) other.destroy();
          });
      }
    });
  }

  /** @param address host:port of the server */
  static async before(address: string): Promise<BlackHole> {
    const [host = '', port] = address.split(':');
    const hole = new BlackHole(host, Number(port));
    hole.#server.listen(0, '127.0.0.1');
    await once(hole.#server, 'listening');
    return hole;
  }

  /** host:port */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** Passes nothing on any more, in either direction: neither bytes nor ends. */
  swallow(): void {
    this.#swallows = true;
  }

  /** Lets new connections through; those from before are lost. */
  restore(): void {
    this.#swallows = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  remove(): Promise<void> {
    this.restore();
    this.#server.close();
    return Promise.resolve();
  }
}

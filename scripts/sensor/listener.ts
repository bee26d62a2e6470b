import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

/** PEM. */
export interface TlsIdentity {
  /** The trusted authority. */
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface ListenerOptions {
  /** host:port, an IPv6 address in brackets; port 0: any free one. */
  readonly address: string;
  /** Without it, plaintext. Clients have to have a certificate, too. */
  readonly tls: TlsIdentity | undefined;
  /** Takes HTTP/2 connections. */
  readonly onHttp2: (socket: net.Socket) => void;
  /** Takes all others. */
  readonly onHttp1: (socket: net.Socket) => void;
  /** A client was refused. */
  readonly onTlsError: (error: Error, socket: tls.TLSSocket) => void;
}

/** A client's first bytes in HTTP/2 without TLS (RFC 9113 §3.4); no method of HTTP/1.1 has this name. */
const PREFACE = Buffer.from('PRI ');

/** Accepts connections at one port for everything: gRPC and downloads, as with Sensor. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: net.Server;
  /** By the peer's `address:port`. */
  readonly #sockets = new Map<string, net.Socket>();
  readonly #host: string;
  #port: number;

  /** Does not listen yet. */
  constructor(options: ListenerOptions) {
    this.#options = options;
    const [, bracketed, host, port] = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(options.address) ?? [];
    this.#host = bracketed ?? host ?? '';
    this.#port = Number(port);
    this.#server = this.#createServer(options);
    // Raw sockets, with TLS as well.
    this.#server.on('connection', (socket: net.Socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      this.#sockets.set(peer, socket);
      socket.on('close', () => this.#sockets.delete(peer));
      socket.on('error', () => undefined); // 'close' follows
    });
  }

  /** Its present or last host:port. */
  get address(): string {
    return `${net.isIPv6(this.#host) ? `[${this.#host}]` : this.#host}:${this.#port}`;
  }

  /**
   * Takes connections, from the second time on at the same port as before.
   * @throws Error with the address if it cannot be listened on
   */
  async listen(): Promise<void> {
    if (this.#server.listening) return;
    try {
      this.#server.listen(this.#port, this.#host);
      await once(this.#server, 'listening');
    } catch (error) {
      throw new Error(`Cannot listen at ${this.#options.address}: ${String(error)}`, { cause: error });
    }
    this.#port = (this.#server.address() as net.AddressInfo).port;
  }

  /** Takes no more connections, and ends the present ones. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets.values()) socket.destroy();
    await closed;
  }

  /** Resets connections. @param peers `address:port` of collectors; default: all */
  reset(peers: Iterable<string> = [...this.#sockets.keys()]): void {
    for (const peer of peers) this.#sockets.get(peer)?.resetAndDestroy();
  }

  #createServer({ tls: identity, onHttp2, onHttp1, onTlsError }: ListenerOptions): net.Server {
    if (identity === undefined) {
      return net.createServer((socket) =>
        whenRecognised(socket, (isHttp2) => (isHttp2 ? onHttp2 : onHttp1)(socket)),
      );
    }
    const { ca, cert, key } = identity;
    const options: tls.TlsOptions = {
      ...{ ca, cert, key, requestCert: true, rejectUnauthorized: true },
      ALPNProtocols: ['h2', 'http/1.1'],
    };
    return tls
      .createServer(options, (socket) => {
        socket.on('error', () => undefined); // 'close' follows
        (socket.alpnProtocol === 'h2' ? onHttp2 : onHttp1)(socket);
      })
      .on('tlsClientError', onTlsError);
  }
}

/** Looks at the first incoming bytes, and leaves them in the socket. */
function whenRecognised(socket: net.Socket, then: (isHttp2: boolean) => void): void {
  let head = Buffer.alloc(0);
  const look = (): void => {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    head = Buffer.concat([head, bytes]);
    const isSo = head.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, head.length));
    if (isSo && head.length < PREFACE.length) return;
    socket.off('readable', look);
    socket.unshift(head);
    then(isSo);
  };
  socket.on('readable', look);
}

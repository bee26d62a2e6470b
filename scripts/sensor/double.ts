import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream';
import tls from 'node:tls';
import { Server, ServerCredentials, status, type ServerDuplexStream } from '@grpc/grpc-js';
import { fromJson, toJson, type Json } from './codec.js';
import { controlMessage, type ControlLists } from './control.js';

/** The two streams of a collector. */
export type StreamName = 'signals' | 'network';

const STREAMS = {
  signals: {
    method: '/sensor.SignalService/PushSignals',
    receives: 'sensor.SignalStreamMessage',
    sends: 'v1.Empty',
  },
  network: {
    method: '/sensor.NetworkConnectionInfoService/PushNetworkConnectionInfo',
    receives: 'sensor.NetworkConnectionInfoMessage',
    sends: 'sensor.NetworkFlowsControlMessage',
  },
} as const;

/** Something that happened on a stream. Streams are numbered from 1, both kinds together. */
export type Happening = { readonly stream: StreamName; readonly connection: number } & (
  | { readonly event: 'open'; readonly metadata: Readonly<Record<string, string>> }
  | { readonly event: 'end'; readonly status: string }
  | { readonly message: Json }
);

export interface DoubleOptions {
  /** Port on 127.0.0.1; 0: any that is free. */
  readonly port?: number;
  /** PEM; without it, plain text. Clients need a certificate that `ca` signed. */
  readonly tls?: {
    readonly ca: string | Buffer;
    readonly cert: string | Buffer;
    readonly key: string | Buffer;
  };
  /** Sent on every stream of connections when it opens. */
  readonly control?: ControlLists;
  /** Folder that /kernel-objects/ is served from, as <module version>/<file>. */
  readonly kernelObjects?: string;
  /** Answers a request for a kernel object itself, for faults; false: as usual. */
  readonly onRequest?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
  readonly onHappening?: (happening: Happening) => void;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

interface Open {
  readonly stream: StreamName;
  readonly call: Call;
}

/**
 * Stands in for Sensor, which is no part of this project: it takes both streams, sends control messages and serves kernel
 * objects, all on one port, and fails in the ways that it is told to.
 */
export class SensorDouble {
  readonly #options: DoubleOptions;
  readonly #grpc = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
  readonly #http: http.Server;
  readonly #listener: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #open = new Map<number, Open>();
  readonly #stalled = new Set<StreamName>();
  #connections = 0;
  #port = 0;
  /** Answers as a gRPC server does that is not Sensor. */
  unimplemented = false;

  private constructor(options: DoubleOptions) {
    this.#options = options;
    const raw = (bytes: Buffer): Buffer => bytes;
    for (const [name, { method }] of Object.entries(STREAMS) as [
      StreamName,
      (typeof STREAMS)[StreamName],
    ][]) {
      const handler = (call: Call): void => this.#take(name, call);
      this.#grpc.register(method, handler, raw, raw, 'bidi');
    }
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#http = http.createServer((request, response) => this.#serve(request, response));
    const accept = (socket: net.Socket, isGrpc: boolean): void => {
      if (isGrpc) injector.injectConnection(socket);
      else this.#http.emit('connection', socket);
    };
    this.#listener =
      options.tls === undefined
        ? net.createServer((socket) =>
            firstBytes(socket, (bytes) => accept(socket, bytes.startsWith('PRI '))),
          )
        : tls.createServer(
            {
              ...options.tls,
              requestCert: true,
              rejectUnauthorized: true,
              ALPNProtocols: ['h2', 'http/1.1'],
            },
            (socket) => accept(socket, socket.alpnProtocol === 'h2'),
          );
    this.#listener.on('connection', (socket: net.Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    });
    this.#listener.on('tlsClientError', (_, socket: net.Socket) => socket.destroy());
  }

  static async start(options: DoubleOptions = {}): Promise<SensorDouble> {
    const double = new SensorDouble(options);
    double.#port = options.port ?? 0;
    await double.#listen();
    return double;
  }

  /** host:port */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Streams that are open now. */
  get open(): readonly StreamName[] {
    return [...this.#open.values()].map(({ stream }) => stream);
  }

  /** Sends lists on every open stream of connections. */
  control(lists: ControlLists): void {
    this.send(fromJson(STREAMS.network.sends, controlMessage(lists)));
  }

  /** Sends bytes, good or bad, as a message on every open stream of connections. */
  send(bytes: Buffer): void {
    for (const { call } of this.#of('network')) call.write(bytes);
  }

  /** Reads nothing more from these streams, now and when they open again, so that they fill up. */
  stall(...streams: readonly StreamName[]): void {
    for (const stream of streams) this.#stalled.add(stream);
    for (const { call } of this.#of(...streams)) call.pause();
  }

  resume(...streams: readonly StreamName[]): void {
    for (const stream of streams) this.#stalled.delete(stream);
    for (const { call } of this.#of(...streams)) call.resume();
  }

  /** Ends these streams, with a status: as a Sensor does that shuts down. */
  hangUp(...streams: readonly StreamName[]): void {
    for (const { call } of this.#of(...streams))
      call.emit('error', { code: status.UNAVAILABLE, details: 'shutting down' });
  }

  /** Breaks all connections without a word: as a Sensor does that is killed. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Takes no connections any more, and breaks those that there are. */
  async refuse(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener.close(resolve));
    this.reset();
    await closed;
  }

  /** Takes connections again, on the same port. */
  async accept(): Promise<void> {
    await this.#listen();
  }

  async stop(): Promise<void> {
    if (this.#listener.listening) await this.refuse();
    this.#grpc.forceShutdown();
    this.#http.close();
  }

  async #listen(): Promise<void> {
    this.#listener.listen(this.#port, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.#port = (this.#listener.address() as net.AddressInfo).port;
  }

  #of(...streams: readonly StreamName[]): Open[] {
    return [...this.#open.values()].filter(({ stream }) => streams.includes(stream));
  }

  #take(stream: StreamName, call: Call): void {
    if (this.unimplemented) {
      call.emit('error', { code: status.UNIMPLEMENTED, details: 'unknown service' });
      return;
    }
    const connection = ++this.#connections;
    const tell = (what: object): void => {
      this.#options.onHappening?.({ stream, connection, ...what } as Happening);
    };
    this.#open.set(connection, { stream, call });
    const metadata = Object.entries(call.metadata.getMap()).map(([name, value]) => [name, value.toString()]);
    tell({ event: 'open', metadata: Object.fromEntries(metadata) as Record<string, string> });
    let isOver = false;
    const over = (status: string): void => {
      if (isOver) return;
      isOver = true;
      this.#open.delete(connection);
      tell({ event: 'end', status });
    };
    call.on('data', (bytes: Buffer) => tell({ message: toJson(STREAMS[stream].receives, bytes) }));
    call.on('end', () => {
      over('OK');
      call.end();
    });
    call.on('cancelled', () => over('CANCELLED'));
    call.on('error', (error: Error & { code?: status }) => over(status[error.code ?? status.UNKNOWN]));
    if (this.#stalled.has(stream)) call.pause();
    const { control } = this.#options;
    if (stream === 'network' && control !== undefined)
      call.write(fromJson(STREAMS.network.sends, controlMessage(control)));
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (this.#options.onRequest?.(request, response) === true) return;
    const [, version, file] = /^\/kernel-objects\/([\w.+~-]+)\/([\w.+~-]+)$/.exec(request.url ?? '') ?? [];
    const { kernelObjects } = this.#options;
    const isName = (name: string | undefined) => name !== undefined && !/^\.+$/.test(name);
    if (request.method !== 'GET' || kernelObjects === undefined || !isName(version) || !isName(file)) {
      response.writeHead(404).end();
      return;
    }
    const stream = createReadStream(path.join(kernelObjects, version!, file!));
    stream.on('error', () => response.writeHead(404).end());
    stream.on('open', () => pipeline(stream, response, () => undefined));
  }
}

/** Looks at the first bytes that come in, and leaves them there. */
function firstBytes(socket: net.Socket, look: (text: string) => void): void {
  socket.once('readable', () => {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    socket.unshift(bytes);
    look(bytes.toString('latin1'));
  });
}

import http from 'node:http';
import { Server, ServerCredentials, status, type ConnectionInjector } from '@grpc/grpc-js';
import { method, type Method } from './codec.js';
import { controlMessage, type ControlLists } from './control.js';
import { Listener, type TlsIdentity } from './listener.js';
import type { SensorEvent, StreamName } from './events.js';
import { kernelObjects } from './kernel-objects.js';
import { refusalReason, TlsRefusals } from './refusals.js';
import { IncomingStream, type IncomingCall } from './stream.js';

export type { SensorEvent, SensorStreamEvent, StreamName } from './events.js';

const methods: Readonly<Record<StreamName, Method>> = {
  signals: method('sensor.SignalService', 'PushSignals'),
  network: method('sensor.NetworkConnectionInfoService', 'PushNetworkConnectionInfo'),
};

export const streamNames = Object.keys(methods) as readonly StreamName[];

/** Sensor's own default (`ROX_GRPC_MAX_MESSAGE_SIZE`), bytes. */
const LARGEST_MESSAGE = 12 * 1024 * 1024;
const KEEP = 200_000;

export interface DoubleOptions {
  /** host:port to listen at; default: any free port of 127.0.0.1. */
  readonly address?: string;
  /** For mutual TLS; without it, plaintext. */
  readonly tls?: TlsIdentity;
  /** Sent on each stream of connections when it opens. */
  readonly control?: ControlLists;
  /** Folder of the files served as `/kernel-objects/<version>/<file>`. */
  readonly kernelObjects?: string;
  /** Sees a request first, and may answer it itself; false: as usual. */
  readonly onRequest?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
  /** Events kept, at least; the oldest are dropped when there are twice as many. Default: 200,000. */
  readonly keep?: number;
  /** Takes each event. While its promise is pending, nothing more is read from the stream of the event. */
  readonly onEvent?: (event: SensorEvent) => void | Promise<void>;
}

/**
 * Stands in for Sensor, not a part of this project: takes both streams, sends control messages and serves kernel
 * objects, all at one port, and fails on request in several ways.
 */
export class SensorDouble {
  /** Answers streams with UNIMPLEMENTED, like a gRPC server other than Sensor. Open streams stay. */
  unimplemented = false;
  readonly #options: DoubleOptions;
  readonly #grpc = new Server({ 'grpc.max_receive_message_length': LARGEST_MESSAGE });
  readonly #injector: ConnectionInjector;
  readonly #listener: Listener;
  readonly #refusals = new TlsRefusals((error) => void this.#report({ event: 'tls-error', error }));
  readonly #events: SensorEvent[] = [];
  #dropped = 0;
  /** Sent on each stream of connections when it opens. */
  #control: ControlLists | undefined;
  #connections = 0;
  readonly #open = new Map<IncomingStream, StreamName>();
  readonly #stalled = new Set<StreamName>();

  private constructor(options: DoubleOptions) {
    this.#options = options;
    this.#control = options.control;
    const asIs = (bytes: Buffer): Buffer => bytes;
    for (const name of streamNames) {
      this.#grpc.register(
        methods[name].path,
        (call: IncomingCall) => this.#openStream(name, call),
        asIs,
        asIs,
        'bidi',
      );
    }
    // TLS ends at the listener.
    const grpc = (this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure()));
    const web = http.createServer(this.#withRequestEvents(kernelObjects(options.kernelObjects)));
    this.#listener = new Listener({
      address: options.address ?? '127.0.0.1:0',
      tls: options.tls,
      onHttp2: (socket) => grpc.injectConnection(socket),
      onHttp1: (socket) => web.emit('connection', socket),
      onTlsError: (error, socket) => this.#refusals.add(refusalReason(error, socket)),
    });
  }

  /** @throws Error with the bad value if a list, the address or the TLS identity is wrong */
  static async start(options: DoubleOptions = {}): Promise<SensorDouble> {
    if (options.control !== undefined) controlMessage(options.control);
    const double = new SensorDouble(options);
    await double.#listener.listen();
    return double;
  }

  /** host:port, also while it refuses. */
  get address(): string {
    return this.#listener.address;
  }

  /** The kept events, oldest first. */
  get events(): readonly SensorEvent[] {
    return this.#events;
  }

  /** Number of events no longer kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Streams open now. */
  get open(): readonly StreamName[] {
    return [...this.#open.values()];
  }

  /**
   * Sends these lists to all collectors connected now, and to each one connecting later.
   * @throws Error with the bad value
   */
  control(lists: ControlLists): void {
    this.send(methods.network.write(controlMessage(lists)));
    this.#control = { ...this.#control, ...lists };
  }

  /** Sends any bytes as a `sensor.NetworkFlowsControlMessage` on the open streams of connections. */
  send(bytes: Buffer): void {
    for (const stream of this.#of(['network'])) stream.send(bytes);
  }

  /** Stops reading these streams, now and when they open again, so collectors have to wait. */
  stall(...names: readonly StreamName[]): void {
    for (const name of names) this.#stalled.add(name);
    for (const stream of this.#of(names)) stream.stall();
  }

  /** Reads these streams again. */
  resume(...names: readonly StreamName[]): void {
    for (const name of names) this.#stalled.delete(name);
    for (const stream of this.#of(names)) stream.resume();
  }

  /** Ends these streams with the status UNAVAILABLE, like a Sensor shutting down. */
  hangUp(...names: readonly StreamName[]): void {
    for (const stream of this.#of(names)) stream.hangUp(status.UNAVAILABLE, 'Sensor is shutting down');
  }

  /**
   * Resets connections, like a killed Sensor.
   * @param names streams to break with everything else on their connections; without any, all connections
   */
  reset(...names: readonly StreamName[]): void {
    this.#listener.reset(names.length === 0 ? undefined : new Set(this.#of(names).map(({ peer }) => peer)));
  }

  /**
   * Asks collectors to come again by another connection (GOAWAY), and breaks the present ones after `graceMs`, like a
   * proxy with a maximum age of connections.
   */
  goAway(graceMs: number): void {
    this.#injector.drain(graceMs);
  }

  /** Takes no more connections, and ends the present ones. */
  async refuse(): Promise<void> {
    await this.#listener.close();
  }

  /** Takes connections again, at the same port. */
  async accept(): Promise<void> {
    await this.#listener.listen();
  }

  async stop(): Promise<void> {
    await this.#listener.close();
    this.#refusals.flush();
    this.#grpc.forceShutdown();
  }

  #of(names: readonly StreamName[]): IncomingStream[] {
    return [...this.#open].flatMap(([stream, name]) => (names.includes(name) ? [stream] : []));
  }

  #openStream(name: StreamName, call: IncomingCall): void {
    const { service, read, write } = methods[name];
    if (this.unimplemented) {
      call.emit('error', { code: status.UNIMPLEMENTED, details: `unknown service ${service}` });
      return;
    }
    const connection = ++this.#connections;
    const stream = new IncomingStream(call, {
      read,
      onEvent: (event) => this.#report({ stream: name, connection, ...event }),
      onEnd: () => this.#open.delete(stream),
    });
    this.#open.set(stream, name);
    if (this.#stalled.has(name)) stream.stall();
    if (name === 'network' && this.#control !== undefined) stream.send(write(controlMessage(this.#control)));
  }

  #withRequestEvents(usual: http.RequestListener): http.RequestListener {
    return (request, response) => {
      response.on('close', () => {
        void this.#report({ event: 'request', path: request.url ?? '', status: response.statusCode });
      });
      if (this.#options.onRequest?.(request, response) !== true) usual(request, response);
    };
  }

  #report(event: SensorEvent): void | Promise<void> {
    const { keep = KEEP, onEvent } = this.#options;
    this.#events.push(event);
    // Many at a time, since removing the first ones moves all others.
    if (this.#events.length > keep * 2) {
      this.#dropped += this.#events.length - keep;
      this.#events.splice(0, this.#events.length - keep);
    }
    return onEvent?.(event);
  }
}

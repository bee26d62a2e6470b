import type { ClientHttp2Stream } from 'node:http2';
import { Metadata, status, type Client, type ClientDuplexStream } from '@grpc/grpc-js';
import type { OpenConnection } from '../../machines/stream.js';
import type { Deadline } from '../telemetry/deadline.js';

/** The streams to Sensor, by their gRPC methods. */
export const methods = {
  signals: '/sensor.SignalService/PushSignals',
  network: '/sensor.NetworkConnectionInfoService/PushNetworkConnectionInfo',
} as const;

/** Time for a channel to connect before the attempt counts as failed, ms. */
export const CONNECT_MS = 20_000;
/** Assumed window of a peer if the real one is not accessible, bytes. */
const WINDOW_BYTES = 1024 * 1024;
/** Before each message on a stream: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

type StreamCall = ClientDuplexStream<Buffer, Buffer>;

/** The writing side of an open stream. */
export interface OpenStream {
  /**
   * Writes messages in one go.
   * @param flushed called when all of them have left this process, hardly ever if the stream breaks before
   */
  readonly write: (messages: readonly Buffer[], flushed: () => void) => void;
  /** Bytes of messages the peer may hold unread: its stream window. */
  readonly window: () => number;
}

/** Writes to a stream, and reads it. */
export interface StreamUser {
  /** The first message on every stream. */
  readonly registration: Buffer;
  /** The registration is on its way. */
  readonly opened: (stream: OpenStream) => void;
  /**
   * Nothing more can be written, and earlier messages may not have arrived.
   * @returns to be called if they have arrived after all: Sensor answered the end of the stream with OK
   */
  readonly closed: () => () => void;
  /** Takes a message; the next one is read when the promise is fulfilled, so none pile up. */
  readonly received?: (message: Buffer) => Promise<void>;
}

/** The parts of a stream. */
export interface StreamOptions {
  /** The current channel. */
  readonly channel: () => Client;
  /** One of `methods`. */
  readonly method: string;
  readonly metadata: Metadata;
  readonly user: StreamUser;
  /** Gets a promise for each stream being ended. */
  readonly ending: Set<Promise<void>>;
  /** The deadline for a stream ended now. */
  readonly deadline: () => Deadline;
  /** Notes a step of the stream, in words to follow its name. */
  readonly onStep: (step: StreamStep) => void;
}

/** A step of a stream beside its opening and its break. */
export type StreamStep = 'is being opened' | 'is being ended';

/**
 * Opens one stream on the current channel for the stream machine. Stopped, it ends in good order: written messages
 * still leave, within a bound.
 */
export function openStream({
  channel,
  method,
  metadata,
  user,
  ending,
  deadline,
  onStep,
}: StreamOptions): OpenConnection {
  return (update) => {
    let isOver = false;
    let call: StreamCall | undefined;
    const over = (reason?: string) => {
      if (isOver) return undefined;
      isOver = true;
      const arrived = user.closed();
      if (reason !== undefined) update({ type: 'broken', reason });
      return arrived;
    };
    onStep('is being opened');
    const client = channel();
    client.waitForReady(Date.now() + CONNECT_MS, (error) => {
      if (isOver) return;
      if (error !== undefined) {
        over(`no connection within ${CONNECT_MS / 1000} s`);
        return;
      }
      call = client.makeBidiStreamRequest(method, passBytes, passBytes, metadata);
      call.on('error', ({ message }) => over(message));
      call.on('status', ({ code, details }) => over(`${status[code]}: ${details}`));
      const open: StreamCall = call;
      open.on('data', (message: Buffer) => {
        open.pause();
        void Promise.resolve(user.received?.(message)).then(() => open.resume());
      });
      call.write(user.registration, () => {
        if (isOver) return;
        update({ type: 'opened' });
        user.opened(writerOf(open));
      });
    });
    return () => {
      const arrived = over();
      if (call === undefined || arrived === undefined) return;
      onStep('is being ended');
      const ended = endInGoodOrder(call, deadline())
        .then((isRead) => isRead && arrived())
        .then(() => void ending.delete(ended));
      ending.add(ended);
    };
  };
}

/** Metadata of the stream of connections. */
export function networkMetadata(hostname: string): Metadata {
  const metadata = new Metadata();
  metadata.set('rox-collector-hostname', hostname);
  metadata.set('rox-collector-capabilities', 'public-ips,network-graph-external-srcs');
  return metadata;
}

/** Ends a stream and waits for Sensor to end it, too. Returns whether Sensor has read it to its end. */
async function endInGoodOrder(call: StreamCall, deadline: Deadline): Promise<boolean> {
  let isRead = false;
  const ended = new Promise<void>((resolve) => {
    call.on('status', ({ code }) => {
      isRead = code === status.OK;
      resolve();
    });
    call.end();
  });
  if (!(await deadline.wait(ended))) call.cancel();
  return isRead;
}

/**
 * The writing side of a call. grpc-js takes messages one by one, and each waits until the one before has left: ten
 * layers, four promises and a system call for each. So batches go to the HTTP/2 stream below; if grpc-js moves it, they
 * go the old way, and a spec notices.
 */
function writerOf(call: StreamCall): OpenStream {
  const stream = http2Stream(call);
  return {
    write: (messages, flushed) => {
      if (stream === undefined) writeOneByOne(call, messages, flushed);
      // The stream's end brings the error to grpc-js.
      else stream.write(framed(messages), (error) => error ?? flushed());
    },
    window: () => stream?.session?.remoteSettings.initialWindowSize ?? WINDOW_BYTES,
  };
}

function writeOneByOne(call: StreamCall, messages: readonly Buffer[], flushed: () => void): void {
  const last = messages.length - 1;
  for (const [at, message] of messages.entries()) call.write(message, at === last ? flushed : undefined);
}

/** Messages as a gRPC stream has them: a byte that says not compressed, four for the length, then the message. */
function framed(messages: readonly Buffer[]): Buffer {
  const length = messages.reduce((sum, message) => sum + PREFIX_BYTES + message.length, 0);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const message of messages) {
    at = bytes.writeUInt32BE(message.length, bytes.writeUInt8(0, at));
    bytes.set(message, at);
    at += message.length;
  }
  return bytes;
}

/** The HTTP/2 stream of a call whose first message has left; undefined if grpc-js has it elsewhere. */
function http2Stream(call: StreamCall): ClientHttp2Stream | undefined {
  let layer: Layer | undefined = call as Layer;
  while (layer !== undefined && layer.http2Stream === undefined)
    layer = layer.call ?? layer.child ?? layer.underlyingCalls?.at(-1)?.call;
  return layer?.http2Stream;
}

/** A layer of a call of grpc-js. */
interface Layer {
  readonly call?: Layer;
  readonly child?: Layer;
  readonly underlyingCalls?: readonly { readonly call: Layer }[];
  readonly http2Stream?: ClientHttp2Stream;
}

function passBytes(bytes: Buffer): Buffer {
  return bytes;
}

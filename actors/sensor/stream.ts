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

type StreamCall = ClientDuplexStream<Buffer, Buffer>;

/** The writing side of an open stream. */
export interface OpenStream {
  /**
   * @param flushed called when the message has left this process, hardly ever if the stream breaks before
   * @returns false when the stream is full: the next message has to wait for `drained`
   */
  readonly write: (message: Buffer, flushed?: () => void) => boolean;
  /** Bytes of messages the peer may hold unread: its stream window. */
  readonly window: () => number;
}

/** Writes to a stream, and reads it. */
export interface StreamUser {
  /** The first message on every stream. */
  readonly registration: Buffer;
  /** The registration is on its way. */
  readonly opened: (stream: OpenStream) => void;
  /** There is room again. */
  readonly drained: () => void;
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
export type StreamStep = 'is being opened' | 'is full' | 'has room again' | 'is being ended';

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
      call.on('drain', () => {
        if (isOver) return;
        onStep('has room again');
        user.drained();
      });
      const open: StreamCall = call;
      open.on('data', (message: Buffer) => {
        open.pause();
        void Promise.resolve(user.received?.(message)).then(() => open.resume());
      });
      call.write(user.registration, () => {
        if (isOver) return;
        update({ type: 'opened' });
        user.opened({
          write: (message, flushed) => {
            const hasRoom = open.write(message, flushed);
            if (!hasRoom) onStep('is full');
            return hasRoom;
          },
          window: () => windowOf(open),
        });
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

/** The peer's window for this stream. grpc-js hides it some layers down; if it moves, a spec notices. */
function windowOf(call: StreamCall): number {
  let layer: Layer | undefined = call as Layer;
  while (layer !== undefined && layer.http2Stream === undefined)
    layer = layer.call ?? layer.child ?? layer.underlyingCalls?.at(-1)?.call;
  return layer?.http2Stream?.session?.remoteSettings.initialWindowSize ?? WINDOW_BYTES;
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

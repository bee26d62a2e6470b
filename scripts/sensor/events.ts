import type { Json } from './codec.js';

/** The two streams of a collector. */
export type StreamName = 'signals' | 'network';

/** The events of one stream, in this order: it opens, messages come, it ends. */
export type CallEvent =
  | { readonly event: 'open'; readonly metadata: Readonly<Record<string, string>> }
  | { readonly message: Json }
  /** Bytes, in base64, of no valid message. The stream is ended then. */
  | { readonly event: 'malformed'; readonly error: string; readonly bytes: string }
  /**
   * `status` is a gRPC status by its name: OK if the collector ended the stream (@grpc/grpc-js ends a cancelled one in
   * good order before), CANCELLED if the connection broke, else the status the double hung up with.
   */
  | { readonly event: 'end'; readonly status: string };

/** Streams are numbered from 1 in the order of their opening, both kinds together. */
export type SensorStreamEvent = { readonly stream: StreamName; readonly connection: number } & CallEvent;

/** A request for a kernel object was answered, with an HTTP status. */
export interface RequestEvent {
  readonly event: 'request';
  readonly path: string;
  readonly status: number;
}

/** A client was refused: no TLS, no certificate, or a bad one. At most one event in 10 s for each reason. */
export interface TlsRefusalEvent {
  readonly event: 'tls-error';
  /** In words. */
  readonly error: string;
}

/** Any event of the Sensor double, in its printed form. */
export type SensorEvent = SensorStreamEvent | RequestEvent | TlsRefusalEvent;

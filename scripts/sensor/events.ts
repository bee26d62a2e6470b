import type { Json } from './codec.js';

/** The two streams of a collector. */
export type StreamName = 'signals' | 'network';

/** What happens on one stream, in this order: it opens, messages come, it ends. */
export type CallEvent =
  | { readonly event: 'open'; readonly metadata: Readonly<Record<string, string>> }
  | { readonly message: Json }
  /** Bytes, in base64, that are no message of the stream's. The stream is ended then. */
  | { readonly event: 'malformed'; readonly error: string; readonly bytes: string }
  /**
   * `status` is a gRPC status by its name: OK if the collector ended the stream (one that @grpc/grpc-js cancels is
   * ended in good order before), CANCELLED if the connection broke, else what the double hung up with.
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

/** Somebody connected and was not let in: no TLS, no certificate, or not a good one. At most one in 10 s for each reason. */
export interface TlsRefusalEvent {
  readonly event: 'tls-error';
  /** In words. */
  readonly error: string;
}

/** What the Sensor double tells of, as it is printed. */
export type SensorEvent = SensorStreamEvent | RequestEvent | TlsRefusalEvent;

import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { escapeJson } from '../telemetry/plain-text.js';

/** The parts of a request used by routes. */
export interface HttpRequest {
  /** Text of at most `MOST_BODY` bytes. */
  readonly body: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The client's address. */
  readonly peer: string;
  /** The part of the path in place of the `*` of a route ending in `/*`; empty for other routes. */
  readonly rest: string;
}

export interface HttpResponse {
  readonly status: number;
  /** Default: JSON. */
  readonly type?: string;
  /** Beside the ones that follow from the body. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Pieces of text are sent one after the other, and the event loop goes on between them. A stream goes on until it
   * ends, or the client leaves: then it is destroyed.
   */
  readonly body: string | Buffer | Iterable<string> | Readable;
  /** Called once, when the answer has been sent or its client has left: also where nobody asked for the body. */
  readonly closed?: () => void;
}

/** A route, independent of the server it is mounted in. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** As it stands in the request, or with a last part `*` for any one. */
  readonly path: string;
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
}

/** Makes a JSON response. */
export function json(status: number, value: unknown): HttpResponse {
  return { status, body: escapeJson(JSON.stringify(value)) };
}

import { escapeJson } from '../telemetry/plain-text.js';

/** A request, as far as routes look at it. */
export interface HttpRequest {
  /** Text of at most `MOST_BODY` bytes. */
  readonly body: string;
  readonly query: URLSearchParams;
  /** What stands in the path for the last part of a route that ends in `/*`; empty for other routes. */
  readonly rest: string;
}

export interface HttpResponse {
  readonly status: number;
  /** Default: JSON. */
  readonly type?: string;
  /** Pieces of text are sent one after the other, and the event loop goes on between them. */
  readonly body: string | Buffer | Iterable<string>;
}

/** Knows nothing of the server that it is mounted in. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** As it stands in the request, or with a last part `*` for any one. */
  readonly path: string;
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
}

/** An answer that is JSON. */
export function json(status: number, value: unknown): HttpResponse {
  return { status, body: escapeJson(JSON.stringify(value)) };
}

import type { IncomingMessage } from 'node:http';
import { finished, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Koa, { type Context } from 'koa';
import { json, type HttpResponse, type HttpRequest, type Route } from './route.js';

/** Longest body of a request, bytes: a word or two are expected. */
const MOST_BODY = 1024;

/**
 * Serves routes: 404 for other paths, 405 and the allowed methods for other methods, 413 for a body of more than 1 KiB,
 * 500 for a throwing route, each with a line of JSON about it.
 * @param onError a route threw
 */
export function createApp(routes: readonly Route[], onError: (error: unknown) => void): Koa {
  const app = new Koa();
  // Koa itself would write to standard error of broken connections, which are the client's fault.
  app.silent = true;
  app.use(async (ctx) => {
    try {
      respond(ctx, await handle(ctx, routes));
    } catch (error) {
      // The client left in the middle of its request: nobody waits for an answer.
      if (error === ctx.req.errored) return;
      onError(error);
      respond(ctx, json(500, { error: 'Internal error; the log has more.' }));
    }
  });
  return app;
}

async function handle(ctx: Context, routes: readonly Route[]): Promise<HttpResponse> {
  // Taken apart here: koa's parser complains of strange targets on standard error.
  const target = ctx.req.url ?? '';
  if (!target.startsWith('/')) return json(400, { error: 'A request names a path that starts with "/".' });
  const [path = '', ...search] = target.split('?');
  const matching = routes.filter((route) => restOf(path, route) !== undefined);
  if (matching.length === 0) return json(404, { error: `Nothing is served at ${path}.` });
  // HEAD is GET without the body; Node leaves it out.
  const method = ctx.method === 'HEAD' ? 'GET' : ctx.method;
  const route = matching.find((one) => one.method === method);
  if (route === undefined) {
    const allowed = matching.flatMap((one) => (one.method === 'GET' ? ['GET', 'HEAD'] : [one.method]));
    ctx.set('Allow', allowed.join(', '));
    return json(405, { error: `${path} takes ${allowed.join(', ')}, not ${ctx.method}.` });
  }
  const body = await readBody(ctx.req);
  if (body === undefined) {
    // The rest of the body is not read: the connection ends with the answer.
    ctx.set('Connection', 'close');
    return json(413, { error: `A body has at most ${MOST_BODY} bytes.` });
  }
  const query = new URLSearchParams(search.join('?'));
  const { headers, socket } = ctx.req;
  const rest = restOf(path, route)!;
  const request: HttpRequest = { body, query, headers, peer: socket.remoteAddress ?? '', rest };
  return route.handle(request);
}

/** The part of a path in place of the route's `*`, empty without one; undefined if the path is another route's. */
function restOf(path: string, route: Route): string | undefined {
  if (!route.path.endsWith('/*')) return path === route.path ? '' : undefined;
  const start = route.path.slice(0, -1);
  return path.startsWith(start) ? path.slice(start.length) : undefined;
}

/** The body's text; undefined if it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BODY) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function respond(
  ctx: Context,
  { status, type = 'application/json', headers, body, closed }: HttpResponse,
): void {
  if (closed) finished(ctx.res, () => closed());
  ctx.status = status;
  ctx.body = isSendable(body) ? body : Readable.from(inSlices(body));
  if (headers) ctx.set(headers);
  ctx.type = type;
}

function isSendable(body: HttpResponse['body']): body is string | Buffer | Readable {
  return typeof body === 'string' || Buffer.isBuffer(body) || body instanceof Readable;
}

/** Yields pieces of text with a turn of the event loop between them; empty ones are left out. */
async function* inSlices(pieces: Iterable<string>): AsyncGenerator<string> {
  for (const piece of pieces) {
    if (piece !== '') yield piece;
    await nextTurn();
  }
}

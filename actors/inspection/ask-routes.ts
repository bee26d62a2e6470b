import { json, type HttpResponse, type Route } from '../http/route.js';
import { table } from '../settings/table.js';
import type { LastLines } from '../telemetry/last-lines.js';
import { ASK_PROTOCOL, listFields, PROTOCOL_HEADER, type ListName, type NodeAccess } from './ask.js';
import { EventClients } from './ask-events.js';
import { listLines } from './ask-lists.js';
import { statusView, type StatusSources } from './ask-status.js';
import { parseFilter } from './filter.js';
import { sanitise } from './sanitise.js';

const HEADERS = { [PROTOCOL_HEADER]: String(ASK_PROTOCOL), 'Cache-Control': 'no-store' } as const;
const NDJSON = 'application/x-ndjson';
/** Lists being made or waiting for it, at most: each holds a copy of the tables. */
const MOST_LISTS = 8;
/** How long a list waits for the ones before it, ms. */
const PATIENCE_MS = 5000;

export interface AskSources extends StatusSources {
  /** undefined before the collection. */
  readonly node: () => NodeAccess | undefined;
  readonly logLines: LastLines;
}

/** The routes for the command `collector`. */
export function askRoutes(sources: AskSources): Route[] {
  const { node, logLines, settings } = sources;
  const events = new EventClients(() => node()?.events);
  const lists = new Turns();
  const routes: Route[] = [
    get('/ask/events', ({ query }) => events.respond(query)),
    ...Object.keys(listFields).map((name) =>
      get(`/ask/${name}`, async ({ query }) => {
        const filter = parseFilter(query, listFields[name as ListName]);
        if (typeof filter === 'string') return json(400, { error: filter });
        const access = node();
        if (access === undefined)
          return json(503, { error: 'Collector does not collect yet: ask again later.' });
        return lists.respond(() => listLines(name as ListName, access.node, filter));
      }),
    ),
    get('/ask/status', () => json(200, statusView(sources))),
    get('/ask/settings', () =>
      json(
        200,
        Object.entries(table).map(([name, { environment, argument }]) => ({
          setting: environment ?? argument,
          value: sanitise(settings[name as keyof typeof table]),
        })),
      ),
    ),
    get('/ask/log', () => ({ status: 200, type: 'text/plain', body: logLines.text })),
  ];
  return routes.map((route) => ({
    ...route,
    handle: async (request) => {
      const response = await route.handle(request);
      return { ...response, headers: { ...HEADERS, ...response.headers } };
    },
  }));
}

function get(path: string, handle: Route['handle']): Route {
  return { method: 'GET', path, handle };
}

/** Makes one list at a time: others wait. */
class Turns {
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  async respond(pieces: () => Iterable<string>): Promise<HttpResponse> {
    if (this.#waiting >= MOST_LISTS) return busy();
    this.#waiting++;
    const before = this.#last;
    let end: () => void = () => undefined;
    this.#last = new Promise((resolve) => {
      end = () => {
        this.#waiting--;
        resolve();
      };
    });
    const isFree = await Promise.race([before.then(() => true), late()]);
    if (!isFree) {
      // Whoever comes after waits for the ones before, too.
      void before.then(end);
      return busy();
    }
    return { status: 200, type: NDJSON, body: pieces(), closed: end };
  }
}

function busy(): HttpResponse {
  return json(503, { error: 'Other clients are shown lists, one after the other: ask again later.' });
}

async function late(): Promise<false> {
  return new Promise((resolve) => void setTimeout(() => resolve(false), PATIENCE_MS).unref());
}

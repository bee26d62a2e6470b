import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { json, type HttpResponse } from '../http/route.js';
import { eventFields, type EventNotice } from './ask.js';
import type { EventFeed } from './events.js';
import { shorten } from '../settings/shorten.js';
import { parseFilter, type Filter } from './filter.js';
import type { EventRow } from './protocol.js';

/** Clients at a time, and characters of lines not yet taken by one of them. */
const MOST_CLIENTS = 8;
const MOST_UNREAD = 256 * 1024;
/** From one sign of life to the next, ms: the server ends a connection silent for longer. */
const SIGN_OF_LIFE_MS = 10_000;
/** Most past events to be asked for by their number. */
const MOST_LAST = 10_000;
/** Past events in one piece of text. */
const CHUNK = 256;

/** A question for events. */
interface EventQuery {
  readonly filter: Filter;
  /** So many of the past events, the latest. */
  readonly last: number;
  /** Unix time in ms. */
  readonly since: number;
  readonly until: number;
  /** Goes on with new events. */
  readonly follow: boolean;
}

/**
 * Answers questions for events: past ones, then live ones. A client is never waited for: without room for a row it is
 * told how many it missed.
 */
export class EventClients {
  readonly #feed: () => EventFeed | undefined;
  #open = 0;

  /** @param feed undefined before the collection */
  constructor(feed: () => EventFeed | undefined) {
    this.#feed = feed;
  }

  respond(parameters: URLSearchParams): HttpResponse {
    const query = readQuery(parameters);
    if (typeof query === 'string') return json(400, { error: query });
    const feed = this.#feed();
    if (feed === undefined) return json(503, { error: 'Collector does not collect yet: ask again later.' });
    if (this.#open >= MOST_CLIENTS)
      return json(503, {
        error: `${MOST_CLIENTS} clients are shown events already, and there is room for no more: end one of them.`,
      });
    this.#open++;
    // At once: no event is in both or in neither.
    const live = query.follow ? new LiveLines(feed, query) : undefined;
    const past = feed.latest(Infinity);
    const source = lines(past.next(), past, query, live);
    const body: Readable = new Readable({
      read: () =>
        void source.next().then(
          ({ done, value }) => body.push(done === true ? null : value),
          (error: unknown) => body.destroy(error as Error),
        ),
      destroy: (error, callback) => {
        this.#open--;
        live?.close();
        callback(error);
      },
    });
    // Nobody else listens to errors of a client on its way out.
    body.on('error', () => undefined);
    return { status: 200, type: 'application/x-ndjson', body };
  }
}

/** @param step the first one of `past` */
async function* lines(
  step: IteratorResult<readonly EventRow[], unknown>,
  past: Iterator<readonly EventRow[]>,
  query: EventQuery,
  live?: LiveLines,
): AsyncGenerator<string> {
  const { last } = query;
  let oldest: number | undefined;
  // Only a walk over all of them finds the latest matching ones.
  const latest: EventRow[] = [];
  for (; step.done !== true; step = past.next()) {
    oldest ??= step.value[0]?.time;
    latest.push(...step.value.filter((row) => isWanted(row, query)));
    if (latest.length > 2 * last) latest.splice(0, latest.length - last);
    await nextTurn();
  }
  yield lineOf({ oldest: oldest ?? Date.now() });
  for (let at = Math.max(latest.length - last, 0); at < latest.length; at += CHUNK)
    yield latest
      .slice(at, at + CHUNK)
      .map(lineOf)
      .join('');
  if (live !== undefined) yield* live.read();
}

function isWanted(row: EventRow, { since, until, filter }: EventQuery): boolean {
  return row.time >= since && row.time <= until && filter.matches(row);
}

/** Lines of live rows, made once for all clients. */
const madeLines = new WeakMap<EventRow | EventNotice, string>();

function lineOf(row: EventRow | EventNotice): string {
  let line = madeLines.get(row);
  if (line === undefined) madeLines.set(row, (line = `${JSON.stringify(row)}\n`));
  return line;
}

/** The lines of live events for one client, as many as there is room for. */
class LiveLines {
  #waiting = '';
  #missed = 0;
  #isClosed = false;
  #wake: () => void = () => undefined;
  readonly #unwatch: () => void;

  /** Takes rows from now on. */
  constructor(feed: EventFeed, query: EventQuery) {
    this.#unwatch = feed.watch((rows, missed) => {
      for (const row of rows) if (isWanted(row, query)) this.#add(row);
      this.#missed += missed;
      if (this.#waiting !== '' || this.#missed > 0) this.#wake();
    });
  }

  /** The lines as they come, until `close`. */
  async *read(): AsyncGenerator<string> {
    while (!this.#isClosed) {
      if (this.#waiting === '' && this.#missed === 0) await this.#more();
      const text = this.#waiting + this.#takeNotice();
      this.#waiting = '';
      yield text === '' ? '\n' : text;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    this.#wake();
  }

  #add(row: EventRow): void {
    // After a gap it goes on once half of the room is free: one notice stands for many events.
    const room = this.#missed > 0 ? MOST_UNREAD / 2 : MOST_UNREAD;
    const line = lineOf(row);
    if (this.#waiting.length + line.length > room) this.#missed++;
    else this.#waiting += this.#takeNotice() + line;
  }

  #takeNotice(): string {
    if (this.#missed === 0) return '';
    const notice = lineOf({ missed: this.#missed });
    this.#missed = 0;
    return notice;
  }

  /** Fulfilled when there is something to read, or a sign of life is due. */
  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SIGN_OF_LIFE_MS).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** @returns the error in the query */
function readQuery(parameters: URLSearchParams): EventQuery | string {
  const filter = parseFilter(parameters, eventFields);
  if (typeof filter === 'string') return filter;
  const last = numberIn(parameters, 'last', 0, MOST_LAST);
  const since = numberIn(parameters, 'since', 0, Infinity);
  const until = numberIn(parameters, 'until', 0, Infinity);
  const error = [last, since, until].find((value) => typeof value === 'string');
  if (error !== undefined) return error;
  const follow = parameters.get('follow') ?? 'false';
  if (follow !== 'true' && follow !== 'false')
    return `follow: '${shorten(follow)}' is not allowed (allowed: true or false)`;
  return {
    filter,
    last: (last as number | undefined) ?? MOST_LAST,
    since: (since as number | undefined) ?? -Infinity,
    until: (until as number | undefined) ?? Infinity,
    follow: follow === 'true',
  };
}

function numberIn(
  parameters: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | string | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  const range = most === Infinity ? 'Unix time in ms' : `a whole number from ${least} to ${most}`;
  return `${name}: '${shorten(text)}' is not allowed (allowed: ${range})`;
}

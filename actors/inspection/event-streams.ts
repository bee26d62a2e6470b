import { Readable } from 'node:stream';
import { json, type HttpRequest, type HttpResponse, type Route } from '../http/route.js';
import type { Inspection } from './actor.js';
import { EventRelay } from './event-relay.js';
import type { EventRow, EventsMessage, Message } from './protocol.js';

/** An inspection, of a run or of its recording. */
export type MessageSource = Pick<Inspection, 'present' | 'watch'>;

/** Streams at a time, and bytes for one of them that its reader has not taken. */
const MOST_STREAMS = 4;
const MOST_UNREAD = 4 * 1024 * 1024;
/** Past events for a new stream. */
const PAST_EVENTS = 500;
/** From one sign of life to the next, ms: the server ends a connection that is silent for longer. */
const SIGN_OF_LIFE_MS = 10_000;
/** For browsers: time to the next attempt after the end of a stream, ms. */
const RETRY_MS = 1000;

/**
 * Server-sent events for watchers, each message written once for all of them. A stream is never waited for: the reader
 * too slow for it is cut, and begins anew with the state of then.
 */
export class EventStreams {
  readonly #inspection: MessageSource;
  readonly #events: EventRelay;
  readonly #onCut: () => void;
  readonly #open = new Set<Readable>();
  /** Those with the events of the kernel. */
  readonly #withEvents = new Set<Readable>();
  #stop: () => void = () => undefined;
  #stopEvents: () => void = () => undefined;

  /** @param events of the kernel, for streams with `?events` @param onCut a stream's reader was too slow */
  constructor(inspection: MessageSource, events = new EventRelay(), onCut: () => void = () => undefined) {
    this.#inspection = inspection;
    this.#events = events;
    this.#onCut = onCut;
  }

  get route(): Route {
    return { method: 'GET', path: '/inspect/stream', handle: (request) => this.#respond(request) };
  }

  /** Streams open now. */
  get count(): number {
    return this.#open.size;
  }

  #respond({ query }: HttpRequest): HttpResponse {
    if (this.#open.size >= MOST_STREAMS)
      return json(503, { error: `${MOST_STREAMS} people watch already, and there is room for no more.` });
    return { status: 200, type: 'text/event-stream', body: this.#newStream(query.has('events')) };
  }

  #newStream(withEvents: boolean): Readable {
    const stream = new Readable({ read: () => undefined });
    stream.push(`retry: ${RETRY_MS}\n\n`);
    for (const message of this.#inspection.present()) stream.push(frame(message));
    if (this.#open.size === 0) this.#start();
    this.#open.add(stream);
    if (withEvents) this.#addEvents(stream);
    stream.on('error', () => undefined);
    stream.once('close', () => {
      this.#open.delete(stream);
      if (this.#open.size === 0) this.#stop();
      if (this.#withEvents.delete(stream) && this.#withEvents.size === 0) this.#stopEvents();
    });
    return stream;
  }

  #addEvents(stream: Readable): void {
    const past = this.#events.latest(PAST_EVENTS);
    if (past.length > 0) stream.push(frame(eventsMessage(past, 0)));
    if (this.#withEvents.size === 0)
      this.#stopEvents = this.#events.watch((rows, missed) =>
        this.#write(frame(eventsMessage(rows, missed)), this.#withEvents),
      );
    this.#withEvents.add(stream);
  }

  #start(): void {
    const unwatch = this.#inspection.watch((message) => this.#write(frame(message)));
    const timer = setInterval(() => this.#write(':\n\n'), SIGN_OF_LIFE_MS).unref();
    this.#stop = () => {
      unwatch();
      clearInterval(timer);
    };
  }

  #write(text: string, streams: Iterable<Readable> = this.#open): void {
    for (const stream of streams) {
      if (stream.readableLength + text.length <= MOST_UNREAD) {
        stream.push(text);
      } else if (!stream.destroyed) {
        stream.destroy(new Error('its reader is too slow'));
        this.#onCut();
      }
    }
  }
}

function eventsMessage(rows: readonly EventRow[], missed: number): EventsMessage {
  return { type: 'events', time: rows.at(-1)?.time ?? Date.now(), rows, missed };
}

function frame(message: Message): string {
  return `event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`;
}

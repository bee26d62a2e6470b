import { Readable } from 'node:stream';
import { json, type HttpResponse, type Route } from '../http/route.js';
import type { Inspection } from './actor.js';
import type { Message } from './protocol.js';

/** Streams at a time, and bytes for one of them that its reader has not taken. */
const MOST_STREAMS = 4;
const MOST_UNREAD = 4 * 1024 * 1024;
/** From one sign of life to the next, ms: the server ends a connection that is silent for longer. */
const SIGN_OF_LIFE_MS = 10_000;
/** For browsers: time to the next attempt after the end of a stream, ms. */
const RETRY_MS = 1000;

/**
 * Server-sent events for watchers, each message written once for all of them. A stream is never waited for: the reader
 * too slow for it is cut, and begins anew with the state of then.
 */
export class EventStreams {
  readonly #inspection: Inspection;
  readonly #onCut: () => void;
  readonly #open = new Set<Readable>();
  #stop: () => void = () => undefined;

  /** @param onCut a stream's reader was too slow */
  constructor(inspection: Inspection, onCut: () => void = () => undefined) {
    this.#inspection = inspection;
    this.#onCut = onCut;
  }

  get route(): Route {
    return { method: 'GET', path: '/inspect/stream', handle: () => this.#respond() };
  }

  #respond(): HttpResponse {
    if (this.#open.size >= MOST_STREAMS)
      return json(503, { error: `${MOST_STREAMS} people watch already, and there is room for no more.` });
    return { status: 200, type: 'text/event-stream', body: this.#newStream() };
  }

  #newStream(): Readable {
    const stream = new Readable({ read: () => undefined });
    stream.push(`retry: ${RETRY_MS}\n\n`);
    for (const message of this.#inspection.present()) stream.push(frame(message));
    if (this.#open.size === 0) this.#start();
    this.#open.add(stream);
    stream.on('error', () => undefined);
    stream.once('close', () => {
      this.#open.delete(stream);
      if (this.#open.size === 0) this.#stop();
    });
    return stream;
  }

  #start(): void {
    const unwatch = this.#inspection.watch((message) => this.#write(frame(message)));
    const timer = setInterval(() => this.#write(':\n\n'), SIGN_OF_LIFE_MS).unref();
    this.#stop = () => {
      unwatch();
      clearInterval(timer);
    };
  }

  #write(text: string): void {
    for (const stream of this.#open) {
      if (stream.readableLength + text.length <= MOST_UNREAD) {
        stream.push(text);
      } else if (!stream.destroyed) {
        stream.destroy(new Error('its reader is too slow'));
        this.#onCut();
      }
    }
  }
}

function frame(message: Message): string {
  return `event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`;
}

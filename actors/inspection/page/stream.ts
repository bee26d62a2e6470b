import type { Message } from '../protocol.js';

/** State of the stream of messages. Times are of this browser, Unix time in ms. */
export type StreamState =
  | { readonly is: 'connecting' }
  | { readonly is: 'open' }
  /** It ended, or could not be opened: the next attempt is at `until`. */
  | { readonly is: 'waiting'; readonly since: number; readonly until: number }
  /** Collector answered by an HTTP status other than 200. */
  | { readonly is: 'refused'; readonly status: number; readonly since: number; readonly until: number };

export interface StreamOptions {
  /** Of the stream, relative to the page. */
  readonly path: string;
  readonly onMessage: (message: Message) => void;
  readonly onState: (state: StreamState) => void;
}

const TYPES: readonly Message['type'][] = [
  'hello',
  'actor',
  'event',
  'snapshot',
  'transition',
  'events',
  'replay',
];
const FIRST_WAIT_MS = 1000;
const MOST_WAIT_MS = 8000;

/**
 * The messages of Collector, by server-sent events. EventSource gives up at an HTTP status, and knows no back-off: here
 * a broken stream is opened again after 1 s, then after 2, 4, and every 8 s.
 */
export class MessageStream {
  state: StreamState = { is: 'connecting' };
  readonly #options: StreamOptions;
  #source: EventSource | undefined;
  #timer: number | undefined;
  #wait = FIRST_WAIT_MS;
  #since: number | undefined;
  #withEvents = false;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  /** Opens the stream anew if the events of the kernel are wanted now, or no more. */
  set withEvents(wanted: boolean) {
    if (wanted === this.#withEvents) return;
    this.#withEvents = wanted;
    if (this.#source !== undefined) this.open();
  }

  /** Opens the stream now, in place of an open one. */
  open(): void {
    this.close();
    if (this.state.is !== 'open') this.#become({ is: 'connecting' });
    const source = new EventSource(`${this.#options.path}${this.#withEvents ? '?events' : ''}`);
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.#since = undefined;
      this.#become({ is: 'open' });
    };
    source.onerror = () => {
      source.close();
      if (this.#source === source) void this.#pause();
    };
    for (const type of TYPES)
      source.addEventListener(type, ({ data }: MessageEvent<string>) => {
        if (this.#source === source) this.#options.onMessage(JSON.parse(data) as Message);
      });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  async #pause(): Promise<void> {
    this.close();
    this.#since ??= Date.now();
    const since = this.#since;
    const until = Date.now() + this.#wait;
    this.#wait = Math.min(this.#wait * 2, MOST_WAIT_MS);
    this.#timer = setTimeout(() => this.open(), until - Date.now());
    const timer = this.#timer;
    this.#become({ is: 'waiting', since, until });
    const status = await statusOf(this.#options.path);
    if (status === undefined || status === 200 || this.#timer !== timer || this.#source !== undefined) return;
    this.#become({ is: 'refused', status, since, until });
  }

  #become(state: StreamState): void {
    this.state = state;
    this.#options.onState(state);
  }
}

/** The status of a request, told by no EventSource; undefined: no answer. */
async function statusOf(path: string): Promise<number | undefined> {
  const abort = new AbortController();
  try {
    const { status } = await fetch(path, { signal: abort.signal, cache: 'no-store' });
    return status;
  } catch {
    return undefined;
  } finally {
    // The body of an accepted stream has no end.
    abort.abort();
  }
}

import type { EventFeed, EventListener } from './events.js';
import type { EventRow } from './protocol.js';

/** Events of a run for its watchers, from the feed attached now: a replay has another one after a seek backwards. */
export class EventRelay {
  #feed: EventFeed | undefined;
  /** With what ends its watch of the feed. */
  readonly #listeners = new Map<EventListener, () => void>();

  /** Goes on with another feed; undefined: nothing is passed on meanwhile. */
  attach(feed: EventFeed | undefined): void {
    this.#feed = feed;
    for (const [listener, stop] of this.#listeners) {
      stop();
      this.#listeners.set(listener, watched(feed, listener));
    }
  }

  /** Begins to pass on the events to come. @returns ends it */
  watch(listener: EventListener): () => void {
    this.#listeners.set(listener, watched(this.#feed, listener));
    return () => {
      this.#listeners.get(listener)?.();
      this.#listeners.delete(listener);
    };
  }

  /** The latest past events, at most `count`, oldest first. */
  latest(count: number): readonly EventRow[] {
    return [...(this.#feed?.latest(count) ?? [])].flat();
  }
}

function watched(feed: EventFeed | undefined, listener: EventListener): () => void {
  return feed?.watch(listener) ?? (() => undefined);
}

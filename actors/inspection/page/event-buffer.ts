import type { EventRow } from '../protocol.js';
import { Filter } from './filter.js';

/** An event with a number of its own, for a list to know it again. */
export interface NumberedEvent {
  readonly number: number;
  readonly row: EventRow;
}

/** The newest events, and their selection by a filter. */
export class EventBuffer {
  readonly #capacity: number;
  /** Oldest first. */
  #events: NumberedEvent[] = [];
  #matching: NumberedEvent[] = [];
  #filter = Filter.none;
  #paused: NumberedEvent[] | undefined;
  #numbers = 0;
  #since = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Shown events, newest first: a copy, since a list draws its rows at moments of its own. */
  newestFirst(): readonly NumberedEvent[] {
    return this.#matching.toReversed();
  }

  get matching(): number {
    return this.#matching.length;
  }

  /** Kept events, whether or not the filter shows them. */
  get all(): number {
    return this.#events.length;
  }

  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  /** Events since the pause; more than the capacity are counted, but the oldest are not kept. */
  get sincePause(): number {
    return this.#paused === undefined ? 0 : this.#numbers - this.#since;
  }

  add(rows: readonly EventRow[]): void {
    const events = rows.map((row) => ({ number: ++this.#numbers, row }));
    if (this.#paused !== undefined) {
      append(this.#paused, events, this.#capacity);
      return;
    }
    this.#show(events);
  }

  set filter(filter: Filter) {
    this.#filter = filter;
    this.#matching = this.#events.filter(({ row }) => filter.matches(row));
  }

  pause(): void {
    this.#paused = [];
    this.#since = this.#numbers;
  }

  resume(): void {
    const paused = this.#paused ?? [];
    this.#paused = undefined;
    this.#show(paused);
  }

  clear(): void {
    this.#events = [];
    this.#matching = [];
    if (this.#paused !== undefined) this.pause();
  }

  #show(events: readonly NumberedEvent[]): void {
    append(this.#events, events, this.#capacity);
    append(
      this.#matching,
      events.filter(({ row }) => this.#filter.matches(row)),
      this.#capacity,
    );
    // The oldest leave both: the filter, set anew, would not find them either.
    const oldest = this.#events[0]?.number ?? 0;
    const gone = this.#matching.findIndex(({ number }) => number >= oldest);
    if (gone > 0) this.#matching.splice(0, gone);
  }
}

function append(to: NumberedEvent[], events: readonly NumberedEvent[], capacity: number): void {
  for (const event of events) to.push(event);
  if (to.length > capacity) to.splice(0, to.length - capacity);
}

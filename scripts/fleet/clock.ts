interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/** A clock for machines of XState with few timers, in ms: time passes from one timer to the next. */
export class EventClock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  get now(): number {
    return this.#now;
  }

  setTimeout(action: () => void, ms: number): Timer {
    const timer = { at: this.#now + ms, action };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: Timer): void {
    this.#timers.delete(timer);
  }

  /** Runs all timers due by `end`, in their order. */
  runUntil(end: number): void {
    for (let next; (next = this.#earliest()) !== undefined && next.at <= end;) {
      this.#timers.delete(next);
      this.#now = next.at;
      next.action();
    }
    this.#now = end;
  }

  #earliest(): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of this.#timers) if (earliest === undefined || timer.at < earliest.at) earliest = timer;
    return earliest;
  }
}

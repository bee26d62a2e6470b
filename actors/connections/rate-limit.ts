const SECONDS_PER_MINUTE = 60;

/** More containers than a node runs; beyond it, who was told first may be told again. */
const MOST_TOLD = 4096;

/** A container that had more to report than there was room for. */
export interface Limited {
  /** As in records: 0 for the host. */
  readonly container: number;
  /** Connections that had to wait. */
  readonly count: number;
  /** New connections of a container that a tick has room for. */
  readonly most: number;
}

/** How many new connections of each container a tick may report. What there is no room for comes at a later tick. */
export class RateLimit {
  /** Connections that a tick had no room for, ever; one that waits for several ticks counts at each. */
  withheld = 0;
  readonly #interval: number;
  #most = 0;
  /** In this tick, by container: new connections, admitted or not. */
  readonly #counts = new Map<number, number>();
  readonly #told = new Set<number>();

  /** @param interval seconds between two ticks */
  constructor(interval: number, perMinute: number) {
    this.#interval = interval;
    this.setPerMinute(perMinute);
  }

  /** Allows each container so many new connections in a minute from now on. */
  setPerMinute(perMinute: number): void {
    this.#most = Math.round((perMinute * this.#interval) / SECONDS_PER_MINUTE);
  }

  /** Whether there is room for one more new connection of the container in this tick. */
  admits(container: number): boolean {
    const count = (this.#counts.get(container) ?? 0) + 1;
    this.#counts.set(container, count);
    if (count <= this.#most) return true;
    this.withheld++;
    return false;
  }

  /** Ends the tick. @returns the containers that were limited for the first time */
  endTick(): Limited[] {
    const limited: Limited[] = [];
    for (const [container, count] of this.#counts) {
      if (count <= this.#most || this.#told.has(container)) continue;
      if (this.#told.size >= MOST_TOLD) this.#told.delete(this.#told.keys().next().value!);
      this.#told.add(container);
      limited.push({ container, count: count - this.#most, most: this.#most });
    }
    this.#counts.clear();
    return limited;
  }
}

const SECONDS_PER_MINUTE = 60;

/** More containers than a node runs; beyond it, who was told first may be told again. */
const MOST_REPORTED = 4096;
/** Containers that are counted each for itself in a tick; those that come after so many share one count. */
const MOST_COUNTED = 16_384;
/** Stands for all that share a count: no container has this number. */
const OTHERS = -1;

/** What is limited. */
export type Limits = 'connections' | 'endpoints';

/** A container that had more to report than there was room for. */
export interface Limited {
  readonly of: Limits;
  /** As in records: 0 for the host. */
  readonly container: number;
  /** Connections or endpoints that had to wait. */
  readonly count: number;
  /** New ones of a container that a tick has room for. */
  readonly most: number;
}

/**
 * How many new connections, or endpoints, of each container a tick may report. What there is no room for holds no
 * place anywhere: an open one comes up again at the next tick, one that has closed is lost.
 */
export class RateLimit {
  /** Connections that a tick had no room for, ever; one that waits for several ticks counts at each. */
  withheld = 0;
  /** Those among them that had closed. */
  lost = 0;
  readonly #of: Limits;
  readonly #interval: number;
  #most = 0;
  /** In this tick, by container: new connections, admitted or not. */
  readonly #counts = new Map<number, number>();
  readonly #reported = new Set<number>();

  /** @param interval seconds between two ticks */
  constructor(of: Limits, interval: number, perMinute: number) {
    this.#of = of;
    this.#interval = interval;
    this.setPerMinute(perMinute);
  }

  /** Allows each container so many new connections in a minute from now on. */
  setPerMinute(perMinute: number): void {
    this.#most = Math.round((perMinute * this.#interval) / SECONDS_PER_MINUTE);
  }

  /**
   * Whether there is room for one more new connection of the container in this tick.
   * @param isOpen whether it is there still, so that it comes up again if there is none
   */
  admits(container: number, isOpen: boolean): boolean {
    const counts = this.#counts;
    const party = counts.has(container) || counts.size < MOST_COUNTED ? container : OTHERS;
    const count = (counts.get(party) ?? 0) + 1;
    counts.set(party, count);
    if (count <= this.#most) return true;
    this.withheld++;
    if (!isOpen) this.lost++;
    return false;
  }

  /** Ends the tick. @returns the containers that were limited for the first time */
  endTick(): Limited[] {
    const limited: Limited[] = [];
    for (const [container, count] of this.#counts) {
      if (count <= this.#most || container === OTHERS || this.#reported.has(container)) continue;
      if (this.#reported.size >= MOST_REPORTED) this.#reported.delete(this.#reported.keys().next().value!);
      this.#reported.add(container);
      limited.push({ of: this.#of, container, count: count - this.#most, most: this.#most });
    }
    this.#counts.clear();
    return limited;
  }
}

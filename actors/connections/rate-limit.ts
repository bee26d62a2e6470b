const SECONDS_PER_MINUTE = 60;

/** More containers than a node runs; beyond it, the first reported may be reported again. */
const MOST_REPORTED = 4096;
/** Containers with a count of their own in a tick; any further ones share a count. */
const MOST_COUNTED = 16_384;
/** The key of the shared count: no container has this number. */
const OTHERS = -1;

/** The limited entries. */
export type Limits = 'connections' | 'endpoints';

/** A container over its limit. */
export interface Limited {
  readonly of: Limits;
  /** As in records: 0 for the host. */
  readonly container: number;
  /** Connections or endpoints over the limit. */
  readonly count: number;
  /** The limit: new ones of a container in a tick. */
  readonly most: number;
}

/**
 * Limits the new connections, or endpoints, of each container in a tick's report. Entries over the limit are not kept:
 * an open one comes up again at the next tick, a closed one is lost.
 */
export class RateLimit {
  /** Entries over the limit, ever; one waiting for several ticks counts at each. */
  withheld = 0;
  /** Closed ones among them. */
  lost = 0;
  readonly #of: Limits;
  readonly #interval: number;
  #most = 0;
  /** In this tick and in the latest one, by container: new connections, admitted or not. */
  #counts = new Map<number, number>();
  #latest = new Map<number, number>();
  readonly #reported = new Set<number>();

  /** @param interval seconds between two ticks */
  constructor(of: Limits, interval: number, perMinute: number) {
    this.#of = of;
    this.#interval = interval;
    this.setPerMinute(perMinute);
  }

  /** Sets the limit for each container, in new entries a minute. */
  setPerMinute(perMinute: number): void {
    this.#most = Math.round((perMinute * this.#interval) / SECONDS_PER_MINUTE);
  }

  /**
   * Counts one more new entry of the container in this tick. Returns whether the limit allows it.
   * @param isOpen whether the entry still exists, so it comes up again if refused
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

  /** Ends the tick. @returns the containers limited for the first time */
  endTick(): Limited[] {
    const limited: Limited[] = [];
    for (const [container, count] of this.#counts) {
      if (count <= this.#most || container === OTHERS || this.#reported.has(container)) continue;
      if (this.#reported.size >= MOST_REPORTED) this.#reported.delete(this.#reported.keys().next().value!);
      this.#reported.add(container);
      limited.push({ of: this.#of, container, count: count - this.#most, most: this.#most });
    }
    [this.#counts, this.#latest] = [this.#latest, this.#counts];
    this.#counts.clear();
    return limited;
  }

  /** New entries of the container in the latest tick, admitted or not, and the limit now. */
  latest(container: number): { readonly count: number; readonly most: number } {
    const latest = this.#latest;
    const shared = latest.size < MOST_COUNTED ? undefined : latest.get(OTHERS);
    return { count: latest.get(container) ?? shared ?? 0, most: this.#most };
  }
}

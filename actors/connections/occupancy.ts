import { fairLevel } from '../shares/level.js';

/** How many entries of a table each container has; the largest count is at hand. */
export class Occupancy {
  readonly #counts = new Map<number, number>();
  /** By count, how many containers have it. */
  readonly #holders: Uint32Array;
  #largest = 0;

  /** @param most entries that the table can have */
  constructor(most: number) {
    this.#holders = new Uint32Array(most + 1);
  }

  /** Entries of the container. */
  of(container: number): number {
    return this.#counts.get(container) ?? 0;
  }

  /** Entries of the container that has most. */
  get largest(): number {
    return this.#largest;
  }

  /** What each container may keep if all of them together are to keep no more than `total`: see `fairLevel`. */
  level(total: number): number {
    return fairLevel(this.#counts.values(), total);
  }

  add(container: number, entries = 1): void {
    const before = this.of(container);
    const count = before + entries;
    if (before > 0) this.#holders[before]!--;
    this.#holders[count]!++;
    this.#counts.set(container, count);
    if (count > this.#largest) this.#largest = count;
  }

  remove(container: number): void {
    const before = this.of(container);
    const count = before - 1;
    this.#holders[before]!--;
    if (count > 0) {
      this.#holders[count]!++;
      this.#counts.set(container, count);
    } else {
      this.#counts.delete(container);
    }
    // Whoever had most has one less now, so that the next largest count is no further away.
    if (before === this.#largest && this.#holders[before] === 0) this.#largest = count;
  }
}

import { fairLevel } from '../shares/level.js';

/** Counts the entries of a table by container, with the largest count at hand. */
export class Occupancy {
  readonly #counts = new Map<number, number>();
  /** Number of containers by count. */
  readonly #holders: Uint32Array;
  #largest = 0;

  /** @param most entries of the table at most */
  constructor(most: number) {
    this.#holders = new Uint32Array(most + 1);
  }

  /** Entries of the container. */
  of(container: number): number {
    return this.#counts.get(container) ?? 0;
  }

  /** Entries of the largest container. */
  get largest(): number {
    return this.#largest;
  }

  /** The fair share of each container in `total` entries: see `fairLevel`. */
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

  /** Counts all entries of a container as those of another one. */
  join(container: number, other: number): void {
    const count = this.of(container);
    if (count === 0) return;
    this.#holders[count]!--;
    this.#counts.delete(container);
    this.add(other, count);
  }

  /** Takes one entry off. Entries from before `Sharers` forgot a nested container still count for the outer one. */
  remove(container: number): void {
    const before = this.of(container);
    if (before === 0) return;
    const count = before - 1;
    this.#holders[before]!--;
    if (count > 0) {
      this.#holders[count]!++;
      this.#counts.set(container, count);
    } else {
      this.#counts.delete(container);
    }
    // The largest container has one less now, so the next largest count is no further away.
    if (before === this.#largest && this.#holders[before] === 0) this.#largest = count;
  }
}

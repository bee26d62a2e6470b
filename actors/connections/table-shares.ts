import type { Refusals } from '../shares/refusals.js';
import type { Sharers } from '../shares/sharers.js';
import { Occupancy } from './occupancy.js';
import { containerOf } from './rows.js';

/** The reserve of a table, as a part of its `maximum`. */
const RESERVE = 1 / 8;
/** Part of `maximum`; below it, entries are no longer counted by container. */
const RELAXED = 7 / 8;

/** How containers share a table. */
export interface Sharing {
  /** The word of a row with the lower half of its container; the tag is the next word. */
  readonly container: number;
  readonly refusals: Refusals;
  readonly sharers: Sharers;
  /**
   * Called before an entry is dropped for another container's sake; returns whether it can be. Must not change the
   * table. Default: each can be dropped.
   */
  readonly mayDrop?: (slot: number) => boolean;
}

/** The shared table, as far as its shares need it. */
interface SharedTable {
  readonly key: Uint32Array;
  readonly size: number;
  readonly maximum: number;
  readonly most: number;
  refused: number;
  get(slot: number, word: number): number;
  remove(slot: number): void;
}

/**
 * The shares of containers in a table. Beside the `maximum` of entries for all, the table has a reserve. Only
 * containers with fewer entries than another may add to it; when the reserve is used up, the largest lose the entries
 * over their fair share. A container inside another one counts as the outer one (`Sharers`). So a container is refused
 * only if no other has more, as with "longest queue drop" (B. Suter et al., "Design considerations for supporting TCP
 * with per-flow queueing", INFOCOM 1998), and a greedy container costs others no entries as long as they fit into the
 * reserve. Nothing is counted by container before the maximum is reached.
 */
export class TableShares {
  /** Entries of the reserve. */
  readonly reserve: number;
  readonly #table: SharedTable;
  readonly #sharing: Sharing;
  /** Entries by container, while the table is tight. */
  #occupancy: Occupancy | undefined;
  /** Nothing droppable was found; the next search waits for a change. */
  #isStuck = false;

  constructor(table: SharedTable, sharing: Sharing) {
    this.#table = table;
    this.#sharing = sharing;
    this.reserve = Math.ceil(table.maximum * RESERVE);
    sharing.sharers.watch((container, outermost) => this.#occupancy?.join(container, outermost));
  }

  /** Whether a table without common room has some for the container of its key. */
  admits(): boolean {
    const container = this.#sharerOfKey();
    const occupancy = (this.#occupancy ??= this.#count());
    if (occupancy.of(container) + 1 < occupancy.largest)
      return this.#table.size < this.#table.most || this.#dropExcess(occupancy);
    this.#sharing.refusals.note(container);
    return false;
  }

  /** Counts the entry added for the table's key. */
  countKey(): void {
    this.#occupancy?.add(this.#sharerOfKey());
  }

  /** Counts the entry at `slot` no longer, since it is about to be removed. */
  discount(slot: number): void {
    if (this.#occupancy === undefined) return;
    this.#isStuck = false;
    if (this.#table.size > this.#table.maximum * RELAXED) this.#occupancy.remove(this.#sharerAt(slot));
    else this.#occupancy = undefined;
  }

  /** Allows another search for droppable entries. */
  retry(): void {
    this.#isStuck = false;
  }

  /** Forgets all counts: the table was emptied. */
  clear(): void {
    this.#occupancy = undefined;
  }

  /** Drops the entries of containers over their fair share of the maximum. Returns whether that made room. */
  #dropExcess(occupancy: Occupancy): boolean {
    const table = this.#table;
    const { refusals, mayDrop = () => true } = this.#sharing;
    if (this.#isStuck) return false;
    const level = occupancy.level(table.maximum);
    const before = table.size;
    for (let slot = before - 1; slot >= 0; slot--) {
      const container = this.#sharerAt(slot);
      if (occupancy.of(container) <= level || !mayDrop(slot)) continue;
      table.remove(slot);
      refusals.note(container);
    }
    table.refused += before - table.size;
    this.#isStuck = table.size === before;
    return !this.#isStuck;
  }

  /** Counts the entries of each container. Counts runs at once: most belong to the container filling the table. */
  #count(): Occupancy {
    const { size, most } = this.#table;
    const occupancy = new Occupancy(most);
    let run = 0;
    for (let slot = 0; slot < size; slot++) {
      run++;
      const container = this.#sharerAt(slot);
      if (slot + 1 < size && this.#sharerAt(slot + 1) === container) continue;
      occupancy.add(container, run);
      run = 0;
    }
    return occupancy;
  }

  #sharerAt(slot: number): number {
    const { container, sharers } = this.#sharing;
    return sharers.of(containerOf(this.#table.get(slot, container), this.#table.get(slot, container + 1)));
  }

  #sharerOfKey(): number {
    const { key } = this.#table;
    const { container, sharers } = this.#sharing;
    return sharers.of(containerOf(key[container]!, key[container + 1]!));
  }
}

/** Bits of a slot's `flags` that every table shares; the ones above are the owner's. */
export const OCCUPIED = 1;
export const ACTIVE = 2;

const FEWEST_SLOTS = 1024;

/**
 * A hash table whose entries are rows of u32 words with the time at which each was last active.
 *
 * Rows lie next to one another in typed arrays, so an entry costs no object, no string and nothing to collect: at 3/4
 * load, the most there is, `(4 × words + 9) × 4/3` bytes, and twice that right after it grew. Open addressing with
 * linear probing; an entry that goes lets its followers move up, so that no tombstones pile up.
 *
 * To find or add an entry, write its row into `key` and call `find` or `put`. A slot stays what it is until the next
 * `put`, `remove`, `retain` or `clear`.
 */
export class Table {
  /** The row that the next `find` or `put` is about. */
  readonly key: Uint32Array;
  /** Words in a row. */
  readonly words: number;
  /** Row of slot s: `[s * words, (s + 1) * words)`. */
  rows!: Uint32Array;
  /** By slot; the owner chooses the clock. A new entry starts at -Infinity. */
  lastActive!: Float64Array;
  /** By slot: OCCUPIED, ACTIVE and bits of the owner. */
  flags!: Uint8Array;
  /** Entries. */
  size = 0;
  /** Entries that `put` had no room for, ever. */
  refused = 0;

  /** Entries that there can be. */
  readonly maximum: number;

  /** Of the hash. */
  readonly seed: number;

  readonly #keyWords: number;
  #mask = 0;

  /**
   * @param keyWords the first words of a row, which identify it
   * @param payloadWords the words after them, which go where the row goes
   * @param maximum entries; no more are taken
   * @param seed of the hash: without knowing it nobody can choose addresses and ports that collide
   */
  constructor(keyWords: number, payloadWords: number, maximum: number, seed: number) {
    this.words = keyWords + payloadWords;
    this.key = new Uint32Array(this.words);
    this.#keyWords = keyWords;
    this.maximum = maximum;
    this.seed = seed;
    this.#allocate(FEWEST_SLOTS);
  }

  /** Slots, of which at most 3/4 are taken. */
  get capacity(): number {
    return this.#mask + 1;
  }

  get full(): boolean {
    return this.size >= this.maximum;
  }

  /** Makes `key` the row at `slot` of a table whose rows are alike. */
  copyKey(from: Table, slot: number): void {
    const { key, words } = this;
    for (let word = 0; word < words; word++) key[word] = from.rows[slot * words + word]!;
  }

  /** The slot of the entry that `key` identifies, or -1. */
  find(): number {
    const slot = this.#probe();
    return this.flags[slot] === 0 ? -1 : slot;
  }

  /** The slot of the entry that `key` identifies, added with the payload of `key` if there is none; -1 if full. */
  put(): number {
    let slot = this.#probe();
    if (this.flags[slot] !== 0) return slot;
    if (this.full) {
      this.refused++;
      return -1;
    }
    if (this.size + 1 > this.capacity * 0.75) {
      this.#resize(this.capacity * 2);
      slot = this.#probe();
    }
    const { key, rows, words } = this;
    const row = slot * words;
    for (let word = 0; word < words; word++) rows[row + word] = key[word]!;
    this.lastActive[slot] = -Infinity;
    this.flags[slot] = OCCUPIED;
    this.size++;
    return slot;
  }

  /** Takes the entry at `slot` out; others may move into its place. */
  remove(slot: number): void {
    const { flags, rows, words, lastActive } = this;
    const mask = this.#mask;
    let hole = slot;
    for (let next = (hole + 1) & mask; flags[next] !== 0; next = (next + 1) & mask) {
      const home = this.#hash(rows, next * words) & mask;
      // Whoever has its home between the hole and itself would no longer be found from there.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      for (let word = 0; word < words; word++) rows[hole * words + word] = rows[next * words + word]!;
      lastActive[hole] = lastActive[next]!;
      flags[hole] = flags[next]!;
      hole = next;
    }
    flags[hole] = 0;
    this.size--;
  }

  /** Shows each entry's slot once and takes out those for which `keep` says no; `keep` must not change the table. */
  retain(keep: (slot: number) => boolean): void {
    const mask = this.#mask;
    // Behind a free slot a run of neighbours starts, so no removal moves an entry across the starting point.
    const start = this.flags.indexOf(0) + 1;
    for (let step = 0; step < mask;) {
      const slot = (start + step) & mask;
      if (this.flags[slot] === 0 || keep(slot)) step++;
      else this.remove(slot);
    }
  }

  /**
   * Gives memory back when less than 1/8 of it is needed, down to where it is half used. Not after every removal: what
   * comes next often needs it again.
   */
  trim(needed: number = this.size): void {
    let capacity = this.capacity;
    if (needed * 8 >= capacity) return;
    while (capacity > FEWEST_SLOTS && needed * 2 < capacity) capacity /= 2;
    if (capacity < this.capacity) this.#resize(capacity);
  }

  /** The first occupied slot from `slot` on, or -1: `for (let s = t.next(0); s >= 0; s = t.next(s + 1))`. */
  next(slot: number): number {
    const { flags } = this;
    for (let at = slot; at < flags.length; at++) if (flags[at] !== 0) return at;
    return -1;
  }

  /** Takes all entries out, and leaves room for as many as there were. */
  clear(): void {
    const { size } = this;
    this.flags.fill(0);
    this.size = 0;
    this.trim(size);
  }

  /** The slot where `key` is, or the free one where it belongs. */
  #probe(): number {
    const { key, rows, flags, words } = this;
    const mask = this.#mask;
    const keyWords = this.#keyWords;
    let slot = this.#hash(key, 0) & mask;
    for (; flags[slot] !== 0; slot = (slot + 1) & mask) {
      const row = slot * words;
      let word = 0;
      while (word < keyWords && rows[row + word] === key[word]) word++;
      if (word === keyWords) break;
    }
    return slot;
  }

  /** Multiply and fold, word by word; the multipliers are those of MurmurHash3's finaliser. */
  #hash(from: Uint32Array, at: number): number {
    let hash = this.seed;
    for (let word = at, end = at + this.#keyWords; word < end; word++) {
      const value = from[word]!;
      // Most words of an IPv4 address are 0, and always the same ones.
      if (value === 0) continue;
      hash = Math.imul(hash ^ value, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  #resize(capacity: number): void {
    const { rows, lastActive, flags, words } = this;
    this.#allocate(capacity);
    const mask = this.#mask;
    for (let from = 0; from < flags.length; from++) {
      if (flags[from] === 0) continue;
      const row = from * words;
      let slot = this.#hash(rows, row) & mask;
      while (this.flags[slot] !== 0) slot = (slot + 1) & mask;
      for (let word = 0; word < words; word++) this.rows[slot * words + word] = rows[row + word]!;
      this.lastActive[slot] = lastActive[from]!;
      this.flags[slot] = flags[from]!;
    }
  }

  #allocate(capacity: number): void {
    this.rows = new Uint32Array(capacity * this.words);
    this.lastActive = new Float64Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.#mask = capacity - 1;
  }
}

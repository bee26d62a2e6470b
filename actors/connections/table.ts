import { TableShares, type Sharing } from './table-shares.js';

/** The bit of an entry's `flags` that all tables have in common; higher bits belong to a table's user. */
export const ACTIVE = 1;

/** An enum, for inlining as in `layout.ts`. */
export enum Slot {
  /** The entry does not exist, or a full table refused it. */
  none = -1,
}

/** Entries with room at least. */
const FEWEST = 1024;
const PAGE_SHIFT = 8;
const PAGE_ENTRIES = 1 << PAGE_SHIFT;

/** Growth finer than by doubling keeps the unused part below a fifth. */
const GROWTH = 1.25;
/** Lengths at the start. Columns grow one by one: copying all at once would stop a table of a million for too long. */
const START = {
  lastActive: FEWEST,
  reportedActive: 1.06 * FEWEST,
  flags: 1.12 * FEWEST,
  followers: 1.18 * FEWEST,
  hashes: 1.24 * FEWEST,
} as const;

/** Whether a table remembers the last report of each entry. */
export type EntryKind = 'observed' | 'reported';

/**
 * A hash table whose entries are rows of u32 words with the time of last activity.
 *
 * The entries of a table are `[0, size)`, without gaps: the last one replaces a removed one. Rows lie in pages of
 * typed arrays, so an entry costs no object, no string and nothing to collect: `4 × words` bytes, and at most
 * 1.25 × 21 bytes for its time, flags, hash and places in the index; 8 more for the time of its last report.
 *
 * Linear hashing (W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980): the index has
 * a bucket for each entry. Each added entry splits one bucket in two. So adding never stops to build the index anew,
 * however large it is, and rows are never copied.
 *
 * To find or add an entry, write its row into `key` and call `find` or `put`. A slot stays valid until the next
 * `remove`, `retain` or `clear`; in a shared table, until the next `put` of a new row.
 */
export class SlotTable {
  /** The row for the next `find` or `put`. */
  readonly key: Uint32Array;
  /** Words in a row. */
  readonly words: number;
  /** By slot; the table's user chooses the clock. A new entry starts at -Infinity. */
  lastActive = new Float64Array(START.lastActive);
  /** By slot, the time in the last report, written by the table's user alone. Empty in a table of kind `observed`. */
  reportedActive: Float64Array;
  /** By slot: ACTIVE and bits of the table's user. */
  flags = new Uint8Array(START.flags);
  /** Entries. */
  size = 0;
  /** Entries refused by `put` or dropped for another container's sake, ever. */
  refused = 0;

  /** Entries that all containers may add. */
  readonly maximum: number;
  /** Entries with the reserve of a shared table: see `TableShares`. */
  readonly most: number;

  /** Seed of the hash. */
  readonly seed: number;

  readonly #keyWords: number;
  readonly #pages: Uint32Array[] = [];
  /** By bucket, the slot of its first entry plus 1; by slot, the next slot in the bucket plus 1. 0 is none. */
  #heads = new Uint32Array(FEWEST);
  #followers = new Uint32Array(START.followers);
  /** By slot. Compared before the row; removing an entry needs two of them. */
  #hashes = new Int32Array(START.hashes);
  /** There are `mask + 1 + split` buckets: the bit above the mask has split the ones below `split`. */
  #mask = FEWEST - 1;
  #split = 0;
  /** Entries with room in all columns. */
  #room: number = FEWEST;
  readonly #shares: TableShares | undefined;

  /**
   * @param keyWords the first words of a row, its identity
   * @param payloadWords the words after them
   * @param maximum entries, beside the reserve of a shared table
   * @param seed of the hash, against peers that choose colliding addresses and ports
   * @param sharing undefined: places go to the first comers
   */
  constructor(
    keyWords: number,
    payloadWords: number,
    maximum: number,
    seed: number,
    kind: EntryKind = 'observed',
    sharing?: Sharing,
  ) {
    this.words = keyWords + payloadWords;
    this.key = new Uint32Array(this.words);
    this.reportedActive = new Float64Array(kind === 'reported' ? START.reportedActive : 0);
    this.#keyWords = keyWords;
    this.maximum = maximum;
    this.#shares = sharing === undefined ? undefined : new TableShares(this, sharing);
    this.most = maximum + (this.#shares?.reserve ?? 0);
    this.seed = seed;
  }

  /** Entries with room before the table grows. */
  get capacity(): number {
    return this.lastActive.length;
  }

  /** Bytes of all arrays, used or not. */
  get bytes(): number {
    const columns = [
      this.lastActive,
      this.reportedActive,
      this.flags,
      this.#heads,
      this.#followers,
      this.#hashes,
    ];
    return [...columns, ...this.#pages].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Whether only containers with fewer entries than others still find room. */
  get full(): boolean {
    return this.size >= this.maximum;
  }

  /** A word of the row of the entry at `slot`. */
  get(slot: number, word: number): number {
    return this.page(slot)[this.at(slot, word)]!;
  }

  set(slot: number, word: number, value: number): void {
    this.page(slot)[this.at(slot, word)] = value;
  }

  /** The array with the row of the entry at `slot`, for readers of several words. Valid as long as the slot. */
  page(slot: number): Uint32Array {
    return this.#pages[slot >>> PAGE_SHIFT]!;
  }

  /** Where the array has a word of the row. */
  at(slot: number, word: number): number {
    return (slot & (PAGE_ENTRIES - 1)) * this.words + word;
  }

  /**
   * The slot of the entry with the identity in `key`, or `Slot.none`.
   * @param keyWords as many words of `key` as can differ from others with the same first ones; the rest is 0 in all
   * of them. Depends on the row alone, so it is the same at every look-up.
   */
  find(keyWords = this.#keyWords): number {
    const hash = this.#hashOfKey(keyWords);
    return this.#findIn(this.#bucket(hash), hash, keyWords);
  }

  /**
   * The slot of the entry with the identity in `key`, added with its payload if missing; `Slot.none` without room.
   * @param keyWords as in `find`
   */
  put(keyWords = this.#keyWords): number {
    const hash = this.#hashOfKey(keyWords);
    const bucket = this.#bucket(hash);
    const found = this.#findIn(bucket, hash, keyWords);
    if (found !== Slot.none) return found;
    if (this.size >= this.maximum && this.#shares?.admits() !== true) {
      this.refused++;
      return Slot.none;
    }
    const slot = this.size++;
    if (slot >= this.#room) this.#makeRoomAt(slot);
    if (slot >>> PAGE_SHIFT === this.#pages.length)
      this.#pages.push(new Uint32Array(PAGE_ENTRIES * this.words));
    const { key, words } = this;
    const page = this.page(slot);
    const row = this.at(slot, 0);
    for (let word = 0; word < words; word++) page[row + word] = key[word]!;
    this.lastActive[slot] = -Infinity;
    this.flags[slot] = 0;
    this.#hashes[slot] = hash;
    this.#followers[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
    if (this.size > this.#mask + 1 + this.#split) this.#splitBucket();
    this.#shares?.countKey();
    return slot;
  }

  /** Removes the entry at `slot`; the last one moves into its place. */
  remove(slot: number): void {
    this.#shares?.discount(slot);
    this.#redirect(slot, this.#followers[slot]!);
    const last = --this.size;
    if (slot === last) return;
    this.#redirect(last, slot + 1);
    this.#followers[slot] = this.#followers[last]!;
    this.#hashes[slot] = this.#hashes[last]!;
    const to = this.page(slot);
    const from = this.page(last);
    const toRow = this.at(slot, 0);
    const fromRow = this.at(last, 0);
    for (let word = 0; word < this.words; word++) to[toRow + word] = from[fromRow + word]!;
    this.lastActive[slot] = this.lastActive[last]!;
    if (this.reportedActive.length > 0) this.reportedActive[slot] = this.reportedActive[last]!;
    this.flags[slot] = this.flags[last]!;
  }

  /**
   * Calls `keep` with the slots of `[from, to)`, the last one first, and removes the entries without its consent.
   * `keep` must not change the table. Moved entries have been seen: a walk in parts, from the last on, meets each once.
   */
  retain(keep: (slot: number) => boolean, from = 0, to: number = this.size): void {
    this.#shares?.retry();
    for (let slot = to - 1; slot >= from; slot--) if (!keep(slot)) this.remove(slot);
  }

  /**
   * Gives memory back when less than 1/8 of it is needed, down to half used. Not for every removal: later entries often
   * need the memory again.
   */
  trim(needed: number = this.size): void {
    const capacity = Math.max(FEWEST, needed * 2);
    if (needed * 8 >= this.capacity || capacity >= this.capacity) return;
    this.#shrinkColumns(capacity);
    this.#pages.length = Math.min(this.#pages.length, Math.ceil(capacity / PAGE_ENTRIES));
    this.#heads = new Uint32Array(capacity);
    this.#mask = (1 << (31 - Math.clz32(capacity))) - 1;
    this.#split = 0;
    for (let slot = 0; slot < this.size; slot++) {
      const bucket = this.#bucket(this.#hashes[slot]!);
      this.#followers[slot] = this.#heads[bucket]!;
      this.#heads[bucket] = slot + 1;
    }
  }

  /** Removes all entries, and keeps room for as many. */
  clear(): void {
    const { size } = this;
    if (size === 0 && this.capacity === FEWEST) return;
    this.#heads.fill(0);
    this.size = 0;
    this.#shares?.clear();
    this.trim(size);
  }

  #findIn(bucket: number, hash: number, keyWords: number): number {
    const { key } = this;
    const followers = this.#followers;
    const hashes = this.#hashes;
    let slot = this.#heads[bucket]! - 1;
    for (; slot >= 0; slot = followers[slot]! - 1) {
      if (hashes[slot] !== hash) continue;
      const page = this.page(slot);
      const row = this.at(slot, 0);
      let word = 0;
      while (word < keyWords && page[row + word] === key[word]) word++;
      if (word === keyWords) break;
    }
    return slot;
  }

  #bucket(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#split ? hash & (this.#mask * 2 + 1) : bucket;
  }

  /** Redirects the reference to the entry at `slot`: to another slot plus 1, or to none (0). */
  #redirect(slot: number, target: number): void {
    const followers = this.#followers;
    const bucket = this.#bucket(this.#hashes[slot]!);
    let at = this.#heads[bucket]! - 1;
    if (at === slot) {
      this.#heads[bucket] = target;
      return;
    }
    while (followers[at] !== slot + 1) at = followers[at]! - 1;
    followers[at] = target;
  }

  /** Adds a bucket, for half of the entries in the next one to split. */
  #splitBucket(): void {
    const bit = this.#mask + 1;
    const low = this.#split;
    const high = low + bit;
    if (high >= this.#heads.length) {
      const heads = new Uint32Array(Math.ceil(this.#heads.length * GROWTH));
      heads.set(this.#heads);
      this.#heads = heads;
    }
    const heads = this.#heads;
    const followers = this.#followers;
    let slot = heads[low]! - 1;
    heads[low] = 0;
    while (slot >= 0) {
      const next = followers[slot]! - 1;
      const bucket = (this.#hashes[slot]! & bit) === 0 ? low : high;
      followers[slot] = heads[bucket]!;
      heads[bucket] = slot + 1;
      slot = next;
    }
    this.#split++;
    if (this.#split < bit) return;
    this.#mask = this.#mask * 2 + 1;
    this.#split = 0;
  }

  #hashOfKey(keyWords: number): number {
    return hash(this.key, 0, keyWords, this.seed);
  }

  #makeRoomAt(slot: number): void {
    const grown = (length: number) => Math.ceil(length * GROWTH) + 1;
    if (slot >= this.lastActive.length)
      this.lastActive = resized(this.lastActive, new Float64Array(grown(slot)));
    if (this.reportedActive.length > 0 && slot >= this.reportedActive.length)
      this.reportedActive = resized(this.reportedActive, new Float64Array(grown(slot)));
    if (slot >= this.flags.length) this.flags = resized(this.flags, new Uint8Array(grown(slot)));
    if (slot >= this.#followers.length)
      this.#followers = resized(this.#followers, new Uint32Array(grown(slot)));
    if (slot >= this.#hashes.length) this.#hashes = resized(this.#hashes, new Int32Array(grown(slot)));
    this.#measure();
  }

  #shrinkColumns(capacity: number): void {
    const length = (start: number) => Math.ceil((capacity * start) / FEWEST);
    this.lastActive = resized(this.lastActive, new Float64Array(length(START.lastActive)));
    if (this.reportedActive.length > 0)
      this.reportedActive = resized(this.reportedActive, new Float64Array(length(START.reportedActive)));
    this.flags = resized(this.flags, new Uint8Array(length(START.flags)));
    this.#followers = resized(this.#followers, new Uint32Array(length(START.followers)));
    this.#hashes = resized(this.#hashes, new Int32Array(length(START.hashes)));
    this.#measure();
  }

  #measure(): void {
    const { lastActive, reportedActive, flags } = this;
    const always = [lastActive, flags, this.#followers, this.#hashes];
    const all = reportedActive.length > 0 ? [...always, reportedActive] : always;
    this.#room = Math.min(...all.map(({ length }) => length));
  }
}

/** `to`, filled from `from` as far as there is room. */
function resized<T extends Float64Array | Uint8Array | Uint32Array | Int32Array>(from: T, to: T): T {
  to.set(from.length > to.length ? from.subarray(0, to.length) : from);
  return to;
}

/** A hash of 32 bits. Multiplies and folds, with the multipliers of MurmurHash3's finaliser. */
export function hash(from: Uint32Array, at: number, words: number, seed: number): number {
  let hash = seed;
  for (let word = at, end = at + words; word < end; word++) {
    hash = Math.imul(hash ^ from[word]!, 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

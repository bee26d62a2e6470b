import type { Refusals } from '../shares/refusals.js';
import type { Sharers } from '../shares/sharers.js';
import { Occupancy } from './occupancy.js';
import { containerOf } from './rows.js';

/** The bit of an entry's `flags` that every table shares; the ones above are the owner's. */
export const ACTIVE = 1;

/** Entries, at least, that there is room for. */
const FEWEST = 1024;
const PAGE_SHIFT = 8;
const PAGE_ENTRIES = 1 << PAGE_SHIFT;

/** A finer growth than by doubling keeps what is not used yet below a fifth. */
const GROWTH = 1.25;
/** Columns grow one after the other: to copy all of them at once would stop a table of a million for too long. */
const START = {
  lastActive: FEWEST,
  reportedActive: 1.06 * FEWEST,
  flags: 1.12 * FEWEST,
  followers: 1.18 * FEWEST,
  hashes: 1.24 * FEWEST,
} as const;

/** The reserve of a table, as a part of its `maximum`. */
const RESERVE = 1 / 8;
/** Of `maximum`: below it, entries are no more counted by container. */
const RELAXED = 7 / 8;

/** Whether a table remembers what each entry was reported as. */
export type EntryKind = 'observed' | 'reported';

/** What shares a table among containers. */
export interface Sharing {
  /** The word of a row that has the lower half of its container; its tag is the next. */
  readonly container: number;
  readonly refusals: Refusals;
  readonly sharers: Sharers;
  /**
   * Called before an entry is dropped for another container's sake, and returns whether it can be. It must not change
   * this table. Default: each can be dropped.
   */
  readonly mayDrop?: (slot: number) => boolean;
}

/**
 * A hash table whose entries are rows of u32 words with the time at which each was last active.
 *
 * The entries of a table are `[0, size)`, without gaps: what is taken out is replaced by the last one. Rows lie in
 * pages of typed arrays, so an entry costs no object, no string and nothing to collect: `4 × words` bytes, and at
 * most 1.25 × 21 bytes for its time, flags, hash and places in the index; 8 more if it has a second time.
 *
 * Linear hashing (W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980): the index has
 * a bucket for each entry, and grows by one, which splits one, with each entry that is added. So adding never stops to
 * build the index anew, however large it is, and rows are never copied.
 *
 * To find or add an entry, write its row into `key` and call `find` or `put`. A slot stays what it is until the next
 * `remove`, `retain` or `clear`; or, in a shared table, until the next `put` of a row that is not there.
 *
 * A shared table has a reserve beside the `maximum` of entries that anybody may add. Only containers that have fewer
 * entries than another may add to it, and when it is used up, those with the most lose what is over their fair share.
 * Here containers that are in another one count as that one (`Sharers`). So a container is refused only if none has
 * more, as with "longest queue drop" (B. Suter et al., "Design considerations for supporting TCP with per-flow
 * queueing", INFOCOM 1998), and one that takes all it can gets nobody's entries dropped as long as the others fit into
 * the reserve. Nothing is counted by container before the maximum is reached.
 */
export class SlotTable {
  /** The row that the next `find` or `put` is about. */
  readonly key: Uint32Array;
  /** Words in a row. */
  readonly words: number;
  /** By slot; the owner chooses the clock. A new entry starts at -Infinity. */
  lastActive = new Float64Array(START.lastActive);
  /** By slot, as it was reported; the owner's alone. Empty in a table of the kind `observed`. */
  reportedActive: Float64Array;
  /** By slot: ACTIVE and bits of the owner. */
  flags = new Uint8Array(START.flags);
  /** Entries. */
  size = 0;
  /** Entries that `put` had no room for, and those that were dropped for another container's sake, ever. */
  refused = 0;

  /** Entries that anybody may add. */
  readonly maximum: number;
  /** Entries that there can be: more than `maximum` in a shared table. */
  readonly most: number;

  /** Of the hash. */
  readonly seed: number;

  readonly #keyWords: number;
  readonly #pages: Uint32Array[] = [];
  /** By bucket, the slot of its first entry plus 1; by slot, that of the next one in the bucket. 0 is none. */
  #heads = new Uint32Array(FEWEST);
  #followers = new Uint32Array(START.followers);
  /** By slot. It is compared before the row is, and taking an entry out needs that of two. */
  #hashes = new Int32Array(START.hashes);
  /** There are `mask + 1 + split` buckets: those below `split` have been split by the bit above the mask. */
  #mask = FEWEST - 1;
  #split = 0;
  /** Entries that all columns have room for. */
  #room: number = FEWEST;
  readonly #sharing: Sharing | undefined;
  /** Of a shared table that is tight. */
  #occupancy: Occupancy | undefined;
  /** Nothing was found that can be dropped; not looked for again until something has changed. */
  #isStuck = false;

  /**
   * @param keyWords the first words of a row, which identify it
   * @param payloadWords the words after them, which go where the row goes
   * @param maximum entries; no more are taken, but by the reserve of a shared table
   * @param seed of the hash: without knowing it nobody can choose addresses and ports that collide
   * @param sharing undefined: whoever comes first has the place
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
    this.most = maximum + (sharing === undefined ? 0 : Math.ceil(maximum * RESERVE));
    this.#sharing = sharing;
    sharing?.sharers.watch((container, outermost) => this.#occupancy?.join(container, outermost));
    this.seed = seed;
  }

  /** Entries that there is room for without growing. */
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

  /** Whether there is no room left but for containers that have fewer entries than others. */
  get full(): boolean {
    return this.size >= this.maximum;
  }

  /** Where the row of the entry at `slot` is: it starts at word `row(slot)`. Both hold for as long as the slot does. */
  page(slot: number): Uint32Array {
    return this.#pages[slot >>> PAGE_SHIFT]!;
  }

  row(slot: number): number {
    return (slot & (PAGE_ENTRIES - 1)) * this.words;
  }

  /**
   * The slot of the entry that `key` identifies, or -1.
   * @param keyWords as many of the words that identify a row as can differ from those of others: the rest is 0 in all
   * that have the same first ones. It follows from a row, so that it is the same whenever that is looked for.
   */
  find(keyWords = this.#keyWords): number {
    const hash = this.#hashOfKey(keyWords);
    return this.#findIn(this.#bucket(hash), hash, keyWords);
  }

  /**
   * The slot of the entry that `key` identifies, added with the payload of `key` if there is none; -1 if full.
   * @param keyWords as in `find`
   */
  put(keyWords = this.#keyWords): number {
    const hash = this.#hashOfKey(keyWords);
    const bucket = this.#bucket(hash);
    const found = this.#findIn(bucket, hash, keyWords);
    if (found >= 0) return found;
    if (this.size >= this.maximum && !this.#admits()) {
      this.refused++;
      return -1;
    }
    const slot = this.size++;
    if (slot >= this.#room) this.#makeRoomAt(slot);
    if (slot >>> PAGE_SHIFT === this.#pages.length)
      this.#pages.push(new Uint32Array(PAGE_ENTRIES * this.words));
    const { key, words } = this;
    const rows = this.page(slot);
    const row = this.row(slot);
    for (let word = 0; word < words; word++) rows[row + word] = key[word]!;
    this.lastActive[slot] = -Infinity;
    this.flags[slot] = 0;
    this.#hashes[slot] = hash;
    this.#followers[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
    if (this.size > this.#mask + 1 + this.#split) this.#splitBucket();
    this.#occupancy?.add(this.#sharerOfKey());
    return slot;
  }

  /** Takes the entry at `slot` out; the last one moves into its place. */
  remove(slot: number): void {
    if (this.#occupancy !== undefined) this.#discount(slot, this.#occupancy);
    this.#redirect(slot, this.#followers[slot]!);
    const last = --this.size;
    if (slot === last) return;
    this.#redirect(last, slot + 1);
    this.#followers[slot] = this.#followers[last]!;
    this.#hashes[slot] = this.#hashes[last]!;
    const to = this.page(slot);
    const from = this.page(last);
    const toRow = this.row(slot);
    const fromRow = this.row(last);
    for (let word = 0; word < this.words; word++) to[toRow + word] = from[fromRow + word]!;
    this.lastActive[slot] = this.lastActive[last]!;
    if (this.reportedActive.length > 0) this.reportedActive[slot] = this.reportedActive[last]!;
    this.flags[slot] = this.flags[last]!;
  }

  /**
   * Shows the slots of `[from, to)`, the last one first, and takes out those for which `keep` says no; `keep` must not
   * change the table. What moves comes from where this has been, so part after part, from the last on, shows each once.
   */
  retain(keep: (slot: number) => boolean, from = 0, to: number = this.size): void {
    this.#isStuck = false;
    for (let slot = to - 1; slot >= from; slot--) if (!keep(slot)) this.remove(slot);
  }

  /**
   * Gives memory back when less than 1/8 of it is needed, down to where it is half used. Not after every removal: what
   * comes next often needs it again.
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

  /** Takes all entries out, and leaves room for as many as there were. */
  clear(): void {
    const { size } = this;
    if (size === 0 && this.capacity === FEWEST) return;
    this.#heads.fill(0);
    this.size = 0;
    this.#occupancy = undefined;
    this.trim(size);
  }

  /** Whether a table without common room has some for the container of `key`. */
  #admits(): boolean {
    if (this.#sharing === undefined) return false;
    const container = this.#sharerOfKey();
    const occupancy = (this.#occupancy ??= this.#count());
    if (occupancy.of(container) + 1 < occupancy.largest)
      return this.size < this.most || this.#dropExcess(occupancy);
    this.#sharing.refusals.note(container);
    return false;
  }

  /** Drops what containers have over their fair share of the maximum. Returns whether that made room. */
  #dropExcess(occupancy: Occupancy): boolean {
    const { refusals, mayDrop = () => true } = this.#sharing!;
    if (this.#isStuck) return false;
    const level = occupancy.level(this.maximum);
    const before = this.size;
    for (let slot = before - 1; slot >= 0; slot--) {
      const container = this.#sharerAt(slot);
      if (occupancy.of(container) <= level || !mayDrop(slot)) continue;
      this.remove(slot);
      refusals.note(container);
    }
    this.refused += before - this.size;
    this.#isStuck = this.size === before;
    return !this.#isStuck;
  }

  /** Counts the entries of each container. Runs of the same one are counted at once: most are of whoever fills the table. */
  #count(): Occupancy {
    const occupancy = new Occupancy(this.most);
    let run = 0;
    for (let slot = 0; slot < this.size; slot++) {
      run++;
      const container = this.#sharerAt(slot);
      if (slot + 1 < this.size && this.#sharerAt(slot + 1) === container) continue;
      occupancy.add(container, run);
      run = 0;
    }
    return occupancy;
  }

  #discount(slot: number, occupancy: Occupancy): void {
    this.#isStuck = false;
    if (this.size > this.maximum * RELAXED) occupancy.remove(this.#sharerAt(slot));
    else this.#occupancy = undefined;
  }

  #sharerAt(slot: number): number {
    const rows = this.page(slot);
    const word = this.row(slot) + this.#sharing!.container;
    return this.#sharing!.sharers.of(containerOf(rows[word]!, rows[word + 1]!));
  }

  #sharerOfKey(): number {
    const word = this.#sharing!.container;
    return this.#sharing!.sharers.of(containerOf(this.key[word]!, this.key[word + 1]!));
  }

  #findIn(bucket: number, hash: number, keyWords: number): number {
    const { key, words } = this;
    const followers = this.#followers;
    const hashes = this.#hashes;
    let slot = this.#heads[bucket]! - 1;
    for (; slot >= 0; slot = followers[slot]! - 1) {
      if (hashes[slot] !== hash) continue;
      const rows = this.#pages[slot >>> PAGE_SHIFT]!;
      const row = (slot & (PAGE_ENTRIES - 1)) * words;
      let word = 0;
      while (word < keyWords && rows[row + word] === key[word]) word++;
      if (word === keyWords) break;
    }
    return slot;
  }

  #bucket(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#split ? hash & (this.#mask * 2 + 1) : bucket;
  }

  /** Makes whatever leads to the entry at `slot` lead to another: to a slot plus 1, or to none. */
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

  /** Adds a bucket, for half of those that are in the one that is next to be split. */
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

/** `to`, with as much of `from` as it has room for. */
function resized<T extends Float64Array | Uint8Array | Uint32Array | Int32Array>(from: T, to: T): T {
  to.set(from.length > to.length ? from.subarray(0, to.length) : from);
  return to;
}

/** A hash, 32 bits, of so many words. Multiply and fold; the multipliers are those of MurmurHash3's finaliser. */
export function hash(from: Uint32Array, at: number, words: number, seed: number): number {
  let hash = seed;
  for (let word = at, end = at + words; word < end; word++) {
    hash = Math.imul(hash ^ from[word]!, 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

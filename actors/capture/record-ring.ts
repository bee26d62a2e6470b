import { Records } from './records.js';

/**
 * The latest records of a run, at least half of a given number of bytes. Two buffers take turns: one fills up, and the
 * other holds the records before it. So keeping a batch is one copy, and no record is looked at.
 */
export class RecordRing {
  readonly #half: number;
  #older: Records;
  #newer: Records;

  /** @param capacity bytes; half of it has room for a whole batch */
  constructor(capacity: number) {
    this.#half = capacity >> 1;
    this.#older = new Records(new Uint8Array(this.#half), 0);
    this.#newer = new Records(new Uint8Array(this.#half), 0);
  }

  /** Keeps a copy of a batch. One without room in a whole half is left out. */
  push({ u8, length }: Records): void {
    if (length > this.#half) return;
    if (this.#newer.length + length > this.#half) {
      const emptied = this.#older;
      emptied.length = 0;
      this.#older = this.#newer;
      this.#newer = emptied;
    }
    u8.copy(this.#newer.u8, this.#newer.length, 0, length);
    this.#newer.length += length;
  }

  /** A copy of all records kept, oldest first. */
  copy(): Records {
    const parts = [this.#older, this.#newer].map(({ u8, length }) => u8.subarray(0, length));
    return new Records(new Uint8Array(Buffer.concat(parts)));
  }
}

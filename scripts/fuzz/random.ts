/** Random numbers by a seed (mulberry32): the same seed makes the same inputs. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `end` - 1; 0 for an end below 2. */
  below(end: number): number {
    return end < 2 ? 0 : this.word() % end;
  }

  /** Whether one time in `times` has come. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** A small number, rarely a large one: 1 to 2^`bits`. */
  size(bits: number): number {
    return 1 + this.below(2 ** (1 + this.below(bits)));
  }
}

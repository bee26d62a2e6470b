/** The hashed part of one field at most, in UTF-16 units; no path is longer. */
const MOST_UNITS = 4096;
const FIELDS = 3;
const KEY_DIGITS = 8;
/** A field takes a word for its length and one for every two units; a number takes two. */
const MOST_WORDS = 2 + FIELDS * (1 + MOST_UNITS / 2);

/**
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, and its
 * variant for 32-bit words): without the key nobody can choose texts whose hashes are equal. A message is put together
 * from numbers and texts, each of which says where it ends, so that no two messages have the same words.
 */
export class KeyedHash {
  readonly #words = new Uint32Array(MOST_WORDS);
  readonly #key0: number;
  readonly #key1: number;
  #used = 0;

  /** @param key0 first half of the key, 32 bits, as is `key1` */
  constructor(key0: number, key1: number) {
    this.#key0 = key0;
    this.#key1 = key1;
  }

  /** Starts a message anew. */
  start(): void {
    this.#used = 0;
  }

  /** Appends 32 bits. */
  word(value: number): void {
    this.#words[this.#used++] = value;
  }

  /** Appends the first `most` UTF-16 units of a text, at most 4,096. */
  text(text: string, most = MOST_UNITS): void {
    const words = this.#words;
    const length = Math.min(text.length, most, MOST_UNITS);
    let used = this.#used;
    words[used++] = length;
    for (let i = 0; i + 1 < length; i += 2)
      words[used++] = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
    if (length % 2 === 1) words[used++] = text.charCodeAt(length - 1);
    this.#used = used;
  }

  /** Ends the message: its hash into the first two words of `hash`, the lower half first. */
  end(hash: Uint32Array): void {
    const words = this.#words;
    const used = this.#used;
    let v0 = this.#key0;
    let v1 = this.#key1 ^ 0xee;
    let v2 = 0x6c796765 ^ this.#key0;
    let v3 = 0x74656462 ^ this.#key1;
    // Each step mixes twice: one for each word, the last of which is the message's length in bytes; then two before the
    // lower half of the hash and two before the upper.
    for (let step = 0; step < used + 5; step++) {
      const word = step < used ? words[step]! : step === used ? (used * 4) << 24 : 0;
      if (step === used + 1) v2 ^= 0xee;
      if (step === used + 3) {
        hash[0] = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      for (let round = 0; round < 2; round++) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      v0 ^= word;
    }
    hash[1] = v1 ^ v3;
  }
}

/** The hash with the key of a run. @param seed at least 9 hexadecimal digits of the run's */
export function seededHash(seed: string): KeyedHash {
  return new KeyedHash(parseInt(seed.slice(0, KEY_DIGITS), 16), parseInt(seed.slice(KEY_DIGITS), 16));
}

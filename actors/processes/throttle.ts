import { TWO_32 } from '../capture/records.js';
import { seededHash, type KeyedHash } from './keyed-hash.js';

/** Identifies equal signals for the throttle. */
export interface ThrottleKey {
  /** The container's number. */
  readonly container: number;
  readonly name: string;
  readonly args: string;
  readonly path: string;
}

/** Reported signals of one key in one window, and the window's length, ns of CLOCK_BOOTTIME. */
export const MOST_PER_WINDOW = 10;
export const WINDOW_NS = 30 * 60 * 1e9;
/** Counted part of the arguments. */
const ARGUMENT_UNITS = 256;

/** Places for the keys of one set. */
const WAYS = 16;
/** 65,536 keys of 17 bytes in all: 1.1 MB. A power of two. */
const SETS = 4096;

/**
 * Keeps a process started over and over from filling the stream: of each key ten signals are reported in half an hour,
 * beginning with the first of them.
 *
 * Keys are kept as 64-bit hashes in a table of fixed size: 16 places for each value of the hash's lowest bits. If all
 * places of a new key are taken by others in their windows, one of these is forgotten: the least-reported, and among
 * equals the one with the oldest window. A flood of new keys can only make an old key be reported more often, never
 * less: a throttled key is the last to go, and the flood itself the first.
 */
export class SignalThrottle {
  readonly #hash: KeyedHash;
  readonly #digest = new Uint32Array(2);
  readonly #mask: number;
  /** By place: two words of hash, the window's start, and the signals reported in it; 0 is an empty place. */
  readonly #hashes: Uint32Array;
  readonly #starts: Float64Array;
  readonly #reported: Uint8Array;
  #suppressed = 0;
  #forgotten = 0;

  /**
   * @param seed at least 9 hexadecimal digits of the run's; without knowing them nobody can choose colliding keys
   * @param sets a power of two; there is room for 16 times as many keys
   */
  constructor(seed: string, sets = SETS) {
    this.#hash = seededHash(seed);
    this.#mask = sets - 1;
    this.#hashes = new Uint32Array(sets * WAYS * 2);
    this.#starts = new Float64Array(sets * WAYS);
    this.#reported = new Uint8Array(sets * WAYS);
  }

  /** Signals held back, ever. */
  get suppressed(): number {
    return this.#suppressed;
  }

  /** Keys forgotten within their windows for want of room, ever: each may have been reported too often since. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Whether a signal of this key may be reported at `time` (CLOCK_BOOTTIME, ns); if so, it counts as reported. */
  admits(key: ThrottleKey, time: number): boolean {
    this.#writeDigest(key);
    const place = this.#place(time);
    if (time - this.#starts[place]! >= WINDOW_NS || this.#reported[place] === 0) {
      this.#starts[place] = time;
      this.#reported[place] = 1;
      return true;
    }
    if (this.#reported[place]! >= MOST_PER_WINDOW) {
      this.#suppressed++;
      return false;
    }
    this.#reported[place]!++;
    return true;
  }

  /** End of the window in which further signals of this key are held back; undefined: the next one is reported. */
  heldUntil(key: ThrottleKey, time: number): number | undefined {
    this.#writeDigest(key);
    const [low, high] = this.#digest as unknown as [number, number];
    const first = (low & this.#mask) * WAYS;
    for (let place = first; place < first + WAYS; place++) {
      if (this.#hashes[place * 2] !== low || this.#hashes[place * 2 + 1] !== high) continue;
      const end = this.#starts[place]! + WINDOW_NS;
      return this.#reported[place]! >= MOST_PER_WINDOW && time < end ? end : undefined;
    }
    return undefined;
  }

  #writeDigest({ container, name, args, path }: ThrottleKey): void {
    const hash = this.#hash;
    hash.start();
    hash.word(container);
    hash.word(container / TWO_32);
    hash.text(name);
    hash.text(args, ARGUMENT_UNITS);
    hash.text(path);
    hash.end(this.#digest);
  }

  /** The place of the key with the hash in `#digest`; if it has none, a place emptied for it. */
  #place(time: number): number {
    const [low, high] = this.#digest as unknown as [number, number];
    const first = (low & this.#mask) * WAYS;
    let best = first;
    let bestWeight = Infinity;
    for (let place = first; place < first + WAYS; place++) {
      const reported = this.#reported[place]!;
      if (reported > 0 && this.#hashes[place * 2] === low && this.#hashes[place * 2 + 1] === high)
        return place;
      const weight = time - this.#starts[place]! >= WINDOW_NS ? 0 : reported;
      if (weight < bestWeight || (weight === bestWeight && this.#starts[place]! < this.#starts[best]!)) {
        best = place;
        bestWeight = weight;
      }
    }
    if (bestWeight > 0) this.#forgotten++;
    this.#reported[best] = 0;
    this.#hashes[best * 2] = low;
    this.#hashes[best * 2 + 1] = high;
    return best;
  }
}

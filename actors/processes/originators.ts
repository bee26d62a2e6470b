import type { Sliced } from '../capture/slices.js';
import { Refusals, type Refusal } from '../shares/refusals.js';

/** An endpoint's description of the listening process. */
export interface Originator {
  readonly name: string;
  readonly path: string;
  readonly args: string;
}

/**
 * Characters of all distinct originators, names, paths and arguments together, at most 16 MiB. A container may add
 * to them while it has no more than is free (A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds for
 * shared-memory packet switches", IEEE/ACM ToN 6(2), 1998): reports refer to them by numbers, so none can be dropped.
 */
const MOST_TEXT = 8 * 1024 * 1024;
/** Of each originator beside its own characters, about: its objects and its places in the tables. */
const OVERHEAD = 128;
/** Originators to look at before a pause. */
const SLICE = 16_384;

/** Numbers the distinct originators, within a bound, so that reports can refer to them. */
export class Originators {
  readonly #refusals = new Refusals('the names of processes that listen');
  /** By number; unused numbers are undefined here, and listed in `#free`. */
  readonly #originators: (Originator | undefined)[] = [undefined];
  /** By number, the container that brought it first and is accounted for it. */
  readonly #sharers: number[] = [0];
  readonly #ids = new Map<string, number>();
  readonly #free: number[] = [];
  #text = 0;
  readonly #textOf = new Map<number, number>();
  /** An originator was refused since unused ones were forgotten. */
  #isRefused = false;
  /** Beyond it, unused originators are looked for. */
  #enoughText = enoughText(0);

  /** The number of an originator, the same for equal ones; 0 if there is no room for a new one. */
  idOf({ name, path, args }: Originator, sharer: number): number {
    const key = `${name}\0${path}\0${args}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const size = sizeOfKey(key);
    const taken = (this.#textOf.get(sharer) ?? 0) + size;
    if (taken > MOST_TEXT - this.#text) {
      this.#isRefused = true;
      this.#refusals.note(sharer);
      return 0;
    }
    this.#text += size;
    this.#textOf.set(sharer, taken);
    const id = this.#free.pop() ?? this.#originators.length;
    this.#originators[id] = { name, path, args };
    this.#sharers[id] = sharer;
    this.#ids.set(key, id);
    return id;
  }

  /** @param id from `idOf`, not 0 */
  get(id: number): Originator {
    return this.#originators[id]!;
  }

  /** Whether so little room is left that `keep` is worth its time. */
  get isShort(): boolean {
    return this.#isRefused || this.#text > this.#enoughText;
  }

  /** Forgets all originators but the `used` numbers, and frees the other numbers. */
  *keep(used: ReadonlySet<number>): Sliced<void> {
    let left = SLICE;
    for (const [key, id] of this.#ids) {
      if (left-- === 0) {
        yield;
        left = SLICE;
      }
      if (used.has(id)) continue;
      this.#release(key, id);
    }
    this.#isRefused = false;
    this.#enoughText = enoughText(this.#text);
  }

  /** Containers refused a new originator, each once in a run. */
  takeRefusals(): Refusal[] {
    return this.#refusals.take();
  }

  #release(key: string, id: number): void {
    const sharer = this.#sharers[id]!;
    const size = sizeOfKey(key);
    const left = this.#textOf.get(sharer)! - size;
    if (left > 0) this.#textOf.set(sharer, left);
    else this.#textOf.delete(sharer);
    this.#text -= size;
    this.#ids.delete(key);
    this.#originators[id] = undefined;
    this.#free.push(id);
  }
}

/** Halfway from `used` to the point where a single container is refused: at half of all room, or else at its end. */
function enoughText(used: number): number {
  const half = MOST_TEXT / 2;
  return (used + (used < half ? half : MOST_TEXT)) / 2;
}

function sizeOfKey(key: string): number {
  return key.length + OVERHEAD;
}

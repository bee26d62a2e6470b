import { NETWORK_WORDS } from '../../actors/capture/facts.js';
import { AF_INET, isMapped } from '../../actors/connections/address.js';

/** Measure for the set of networks, in speed and in results: it looks at every row, bit by bit. */
export class LinearNetworks {
  readonly #rows: Uint32Array;

  /** @param rows as a control fact has them */
  constructor(rows: Uint32Array) {
    this.#rows = rows;
  }

  /** The prefix's length of the most specific network around the address; -1: there is none. */
  find(words: Uint32Array, at: number, family: number): number {
    const mapped = isMapped(words, at, family);
    const address = mapped ? at + 3 : at;
    let longest = -1;
    for (let row = 0; row < this.#rows.length; row += NETWORK_WORDS) {
      if (this.#rows[row] !== (mapped ? AF_INET : family)) continue;
      const prefix = this.#rows[row + 1]!;
      if (prefix > longest && sameBits(this.#rows, row + 2, words, address) >= prefix) longest = prefix;
    }
    return longest;
  }
}

/** How many bits two addresses of up to 4 words have in common from the first on. */
function sameBits(one: Uint32Array, at: number, other: Uint32Array, otherAt: number): number {
  let bits = 0;
  while (bits < 128) {
    const word = bits >>> 5;
    const shift = 31 - (bits & 31);
    if (((one[at + word]! >>> shift) & 1) !== ((other[otherAt + word]! >>> shift) & 1)) break;
    bits++;
  }
  return bits;
}

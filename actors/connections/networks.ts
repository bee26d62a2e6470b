import { NETWORK_WORDS } from '../capture/facts.js';
import { AF_INET, isMapped, isPrivate, prefixMask, type Network } from './address.js';

/** A set of networks that answers which of them is the most specific one around an address. For short lists. */
export class Networks {
  /** Longest prefix first. */
  readonly #networks: readonly Network[];
  readonly #familiesWithPrivate: ReadonlySet<number>;

  constructor(networks: Iterable<Network> = []) {
    this.#networks = [...networks].sort((a, b) => b.prefix - a.prefix);
    this.#familiesWithPrivate = new Set(
      this.#networks.filter(({ words, family }) => isPrivate(words, 0, family)).map(({ family }) => family),
    );
  }

  /** The longest prefix that contains the address; for an IPv4-mapped one, that of the IPv4 address in it. */
  find(words: Uint32Array, at: number, family: number): Network | undefined {
    const mapped = isMapped(words, at, family);
    const first = mapped ? at + 3 : at;
    const wanted = mapped ? AF_INET : family;
    for (const network of this.#networks) {
      if (network.family === wanted && contains(network, words, first)) return network;
    }
    return undefined;
  }

  /** Whether a network of the family lies in private address space. */
  hasPrivate(family: number): boolean {
    return this.#familiesWithPrivate.has(family);
  }
}

/** The networks in rows as a control fact has them. */
export function* networksIn(rows: Uint32Array<ArrayBuffer>): Generator<Network> {
  for (let at = 0; at < rows.length; at += NETWORK_WORDS) {
    yield { family: rows[at]!, prefix: rows[at + 1]!, words: rows.subarray(at + 2, at + NETWORK_WORDS) };
  }
}

function contains(network: Network, words: Uint32Array, at: number): boolean {
  for (let word = 0, bits = network.prefix; bits > 0; word++, bits -= 32) {
    if (((words[at + word]! ^ network.words[word]!) & prefixMask(bits)) !== 0) return false;
  }
  return true;
}

import { allAtOnce, type Sliced } from '../capture/slices.js';
import { NETWORK_WORDS } from '../capture/facts.js';
import { ADDRESS_WORDS, AF_INET, AF_INET6, isMapped, isPrivate, type Network } from './address.js';
import { CidrTree } from './cidr-tree.js';

/** Networks that are taken in at a time: a millisecond or two of work, and some more while the code is not compiled yet. */
const SLICE = 4096 * NETWORK_WORDS;

/** What answers are looked up in. It never changes, so that sets can share it. */
interface Index {
  readonly ipv4: CidrTree;
  readonly ipv6: CidrTree;
  readonly familiesWithPrivate: ReadonlySet<number>;
}

/** Indexes that were made before a set asks for them; they go with their rows. */
const prepared = new WeakMap<Uint32Array, Index>();

/**
 * Makes ready what a set of these networks takes long to make, so that it is there at once.
 * @param rows networks as a control fact has them, which must not change any more
 */
export function* prepare(rows: Uint32Array): Sliced<void> {
  prepared.set(rows, yield* index(rows));
}

/** A set of networks that answers which of them is the most specific one around an address. */
export class Networks {
  readonly #index: Index;
  readonly #found = { family: AF_INET, words: new Uint32Array(ADDRESS_WORDS), prefix: 0 };

  /** @param networks also as the rows that a control fact has */
  constructor(networks: readonly Network[] | Uint32Array = []) {
    const rows = networks instanceof Uint32Array ? networks : rowsOf(networks);
    this.#index = prepared.get(rows) ?? allAtOnce(index(rows));
  }

  /**
   * The longest prefix that contains the address; for an IPv4-mapped one, that of the IPv4 address in it.
   * It is one object for each set, so that nothing is allocated: it holds until the set is asked again.
   */
  find(words: Uint32Array, at: number, family: number): Network | undefined {
    const mapped = isMapped(words, at, family);
    const wanted = mapped ? AF_INET : family;
    const tree = this.#treeOf(wanted);
    const node = tree.find(words, mapped ? at + 3 : at);
    if (node < 0) return undefined;
    const found = this.#found;
    found.family = wanted;
    found.prefix = tree.prefix(node);
    if (wanted === AF_INET) found.words.fill(0, 1);
    tree.copyAddress(node, found.words);
    return found;
  }

  /** Whether any network contains the address: as `find`, without what costs to say which. */
  has(words: Uint32Array, at: number, family: number): boolean {
    const mapped = isMapped(words, at, family);
    return this.#treeOf(mapped ? AF_INET : family).find(words, mapped ? at + 3 : at) >= 0;
  }

  /** Whether a network of the family lies in private address space. */
  hasPrivate(family: number): boolean {
    return this.#index.familiesWithPrivate.has(family);
  }

  #treeOf(family: number): CidrTree {
    return family === AF_INET6 ? this.#index.ipv6 : this.#index.ipv4;
  }
}

/** Networks in rows as a control fact has them. */
export function rowsOf(networks: readonly Network[]): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(networks.length * NETWORK_WORDS);
  networks.forEach(({ family, prefix, words }, index) => {
    rows.set([family, prefix], index * NETWORK_WORDS);
    rows.set(words, index * NETWORK_WORDS + 2);
  });
  return rows;
}

function* index(rows: Uint32Array): Sliced<Index> {
  let ofIPv6 = 0;
  for (let row = 0; row < rows.length; row += NETWORK_WORDS) if (rows[row] === AF_INET6) ofIPv6++;
  const ipv4 = new CidrTree(AF_INET, rows.length / NETWORK_WORDS - ofIPv6);
  const ipv6 = new CidrTree(AF_INET6, ofIPv6);
  const familiesWithPrivate = new Set<number>();
  for (let from = 0; from < rows.length; from += SLICE) {
    const slice = rows.subarray(from, from + SLICE);
    ipv4.insert(slice);
    ipv6.insert(slice);
    for (let row = 0; row < slice.length; row += NETWORK_WORDS) {
      const family = slice[row]!;
      if (isPrivate(slice, row + 2, family)) familiesWithPrivate.add(family);
    }
    yield;
  }
  return { ipv4, ipv6, familiesWithPrivate };
}

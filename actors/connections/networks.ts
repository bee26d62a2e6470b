import { allAtOnce, type Sliced } from '../capture/slices.js';
import { NETWORK_WORDS } from '../capture/facts.js';
import { ADDRESS_WORDS, AF_INET, AF_INET6, isMapped, isPrivate, type Network } from './address.js';
import { CidrTree } from './cidr-tree.js';

/** Networks indexed in a slice: a millisecond or two of work, more while the code is not compiled yet. */
const SLICE = 4096 * NETWORK_WORDS;

/** An index of networks. Immutable, so sets can share it. */
interface Index {
  readonly ipv4: CidrTree;
  readonly ipv6: CidrTree;
  readonly familiesWithPrivate: ReadonlySet<number>;
}

/** Indexes made ahead of their sets; garbage collected with their rows. */
const prepared = new WeakMap<Uint32Array, Index>();

/**
 * Builds the index for a set of these networks, slowly, so the set itself is made at once.
 * @param rows networks as in a control fact; must not change any more
 */
export function* prepare(rows: Uint32Array): Sliced<void> {
  prepared.set(rows, yield* index(rows));
}

/** A set of networks, for the most specific network around an address. */
export class Networks {
  readonly #index: Index;
  readonly #found = { family: AF_INET, words: new Uint32Array(ADDRESS_WORDS), prefix: 0 };

  /** @param networks a list, or rows as in a control fact */
  constructor(networks: readonly Network[] | Uint32Array = []) {
    const rows = networks instanceof Uint32Array ? networks : rowsOf(networks);
    this.#index = prepared.get(rows) ?? allAtOnce(index(rows));
  }

  /**
   * The network with the longest prefix around the address; an IPv4-mapped address counts as its IPv4 address.
   * Returns the same object from each call, so nothing is allocated: it is valid until the next call.
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

  /** Whether any network contains the address: as `find`, without the cost of copying the network. */
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

/** Networks in rows as in a control fact. */
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

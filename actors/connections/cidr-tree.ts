import { prefixMask } from './address.js';

/** A node: bits of its prefix and whether it is a network, its two children (0: none), then the words of its address. */
const LEFT = 1;
const ADDRESS = 3;
const PREFIX = 0xff;
const IS_NETWORK = 0x100;
/** Contains everything; nobody's child. */
const ROOT = 0;

/**
 * Networks of one family as a binary radix tree without the nodes that would have one child only: a node is a network
 * or the place where two networks part. A network costs at most two nodes: 32 bytes in IPv4, 56 in IPv6. All of them
 * are words of one array, which the garbage collector does not look into.
 */
export class CidrTree {
  /** The nodes. What `find` and `insert` call a node is where it begins in here. */
  readonly nodes: Uint32Array;
  /** u32 words of an address. */
  readonly #width: number;
  /** Words in use, of the root at first. */
  #end: number;

  /**
   * @param width u32 words of an address
   * @param most networks that are going to be inserted at most
   */
  constructor(width: number, most: number) {
    this.#width = width;
    this.#end = ADDRESS + width;
    this.nodes = new Uint32Array((1 + 2 * most) * this.#end);
  }

  /** Takes in the network of `prefix` bits around the address at `words[at]`. */
  insert(words: Uint32Array, at: number, prefix: number): void {
    const { nodes } = this;
    // The network is always inside of this node.
    let node = ROOT;
    for (;;) {
      const length = nodes[node]! & PREFIX;
      if (length === prefix) {
        nodes[node]! |= IS_NETWORK;
        return;
      }
      const link = node + LEFT + bitAt(words, at, length);
      const child = nodes[link]!;
      if (child === ROOT) {
        nodes[link] = this.#add(words, at, prefix | IS_NETWORK);
        return;
      }
      const childLength = nodes[child]! & PREFIX;
      const common = this.#commonBits(words, at, child, Math.min(prefix, childLength));
      if (common === childLength) {
        node = child;
        continue;
      }
      const isAbove = common === prefix;
      const between = this.#add(words, at, isAbove ? prefix | IS_NETWORK : common);
      nodes[between + LEFT + bitAt(nodes, child + ADDRESS, common)] = child;
      if (!isAbove) {
        nodes[between + LEFT + bitAt(words, at, common)] = this.#add(words, at, prefix | IS_NETWORK);
      }
      nodes[link] = between;
      return;
    }
  }

  /** The node of the longest prefix that contains the address at `words[at]`; -1: there is none. */
  find(words: Uint32Array, at: number): number {
    const { nodes } = this;
    const bits = this.#width * 32;
    let found = -1;
    let node = ROOT;
    do {
      const head = nodes[node]!;
      const length = head & PREFIX;
      // Where networks part there is nothing to find: that the way there was wrong shows at the next network.
      if (head >= IS_NETWORK) {
        if (!this.#contains(node, length, words, at)) break;
        found = node;
      }
      if (length === bits) break;
      node = nodes[node + LEFT + bitAt(words, at, length)]!;
    } while (node !== ROOT);
    return found;
  }

  /** Bits of the prefix of a node. */
  prefix(node: number): number {
    return this.nodes[node]! & PREFIX;
  }

  /** Copies the address of a node to `out[0]` and on. */
  copyAddress(node: number, out: Uint32Array): void {
    for (let word = 0; word < this.#width; word++) out[word] = this.nodes[node + ADDRESS + word]!;
  }

  #add(words: Uint32Array, at: number, head: number): number {
    const node = this.#end;
    this.#end += ADDRESS + this.#width;
    this.nodes[node] = head;
    for (let word = 0; word < this.#width; word++) {
      this.nodes[node + ADDRESS + word] = words[at + word]! & prefixMask((head & PREFIX) - word * 32);
    }
    return node;
  }

  #contains(node: number, length: number, words: Uint32Array, at: number): boolean {
    for (let word = 0, bits = length; bits > 0; word++, bits -= 32) {
      if (((this.nodes[node + ADDRESS + word]! ^ words[at + word]!) & prefixMask(bits)) !== 0) return false;
    }
    return true;
  }

  /** How many bits, up to `most`, an address and that of a node have in common. */
  #commonBits(words: Uint32Array, at: number, node: number, most: number): number {
    for (let word = 0; word * 32 < most; word++) {
      const difference = this.nodes[node + ADDRESS + word]! ^ words[at + word]!;
      if (difference !== 0) return Math.min(most, word * 32 + Math.clz32(difference));
    }
    return most;
  }
}

/** The bit behind the first `bits` ones of an address. */
function bitAt(words: Uint32Array, at: number, bits: number): number {
  return (words[at + (bits >>> 5)]! >>> (31 - (bits & 31))) & 1;
}

import { NETWORK_WORDS } from '../capture/facts.js';
import { ADDRESS_WORDS, AF_INET6 } from './address.js';

/** A node: its prefix length with a bit for networks, its two children (0: none), then the words of its address. */
const LEFT = 1;
const ADDRESS = 3;
const PREFIX = 0xff;
const IS_NETWORK = 0x100;
/** Contains everything; nobody's child. */
const ROOT = 0;

/**
 * Networks of one family as a binary radix tree without nodes of a single child: a node is a network
 * or the place where two networks part. A network costs at most two nodes: 32 bytes in IPv4, 56 in IPv6. All of them
 * are words of one array, opaque to the garbage collector.
 */
export class CidrTree {
  /** The nodes. `find` returns the start of one in here. */
  readonly #nodes: Int32Array;
  readonly #family: number;
  /** u32 words of an address. */
  readonly #width: number;
  /** Start of the next node. */
  #end: number;

  /**
   * @param family of the accepted networks
   * @param most networks with room
   */
  constructor(family: number, most: number) {
    this.#family = family;
    this.#width = family === AF_INET6 ? ADDRESS_WORDS : 1;
    this.#end = ADDRESS + this.#width;
    this.#nodes = new Int32Array((1 + most * 2) * this.#end);
  }

  /**
   * Inserts the networks of the family. The more at a time, the less each costs.
   * @param rows networks as in a control fact
   */
  insert(rows: Uint32Array): void {
    const order = inOrder(rows, this.#family);
    this.#end = build(this.#nodes, this.#width, this.#end, signedWords(rows), order);
  }

  /** The node of the longest prefix around the address at `words[at]`; -1: there is none. */
  find(words: Uint32Array, at: number): number {
    const nodes = this.#nodes;
    const bits = this.#width * 32;
    let found = -1;
    let node = ROOT;
    do {
      const head = nodes[node]!;
      const length = head & PREFIX;
      // A node where networks part is no network: a wrong way shows at the next network.
      if (head >= IS_NETWORK) {
        if (!contains(nodes, node, length, words, at)) break;
        found = node;
      }
      if (length === bits) break;
      node = nodes[node + LEFT + bitAt(words, at, length)]!;
    } while (node !== ROOT);
    return found;
  }

  /** Bits of the prefix of a node. */
  prefix(node: number): number {
    return this.#nodes[node]! & PREFIX;
  }

  /** Copies the address of a node to `out[0]` and on. */
  copyAddress(node: number, out: Uint32Array): void {
    for (let word = 0; word < this.#width; word++) out[word] = this.#nodes[node + ADDRESS + word]!;
  }
}

/**
 * The rows of a family, sorted so that neighbours share most of their bits: the place of each in the even words. The
 * engine sorts in machine code, from the first list on: 64 bits, with as much of the address as the row's number leaves
 * room for. The order saves time, without effect on look-ups.
 */
function inOrder(rows: Uint32Array, family: number): Int32Array {
  const words = signedWords(rows);
  const count = rows.length / NETWORK_WORDS;
  const addressBits = signedMask(Math.clz32(count));
  const keys = new Int32Array(count * 2);
  let end = 0;
  for (let number = 0, row = 0; number < count; number++, row += NETWORK_WORDS) {
    if (words[row] !== family) continue;
    keys[end] = (words[row + 3]! & addressBits) | number;
    keys[end + 1] = words[row + 2]!;
    end += 2;
  }
  new BigInt64Array(keys.buffer, 0, end / 2).sort();
  for (let key = 0; key < end; key += 2) keys[key] = (keys[key]! & ~addressBits) * NETWORK_WORDS;
  return keys.subarray(0, end);
}

/** The same words as small integers: words above 2^31 would each be a number on the heap until the code is compiled. */
function signedWords(words: Uint32Array): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, words.length);
}

/** A signed word with its first `bits` bits set: none below 1, all from 32 on. */
function signedMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/**
 * Inserts networks. Returns the start of the next node. The way from the root to a network starts where it parts from
 * the way to the previous one; in a sorted list they part late.
 */
function build(nodes: Int32Array, width: number, room: number, rows: Int32Array, order: Int32Array): number {
  const size = ADDRESS + width;
  let end = room;
  /** The nodes around the last network and it itself, the root first. */
  const path = new Int32Array(2 + width * 32);
  let depth = 0;

  for (let next = 0; next < order.length; next += 2) {
    const row = order[next]!;
    const prefix = rows[row + 1]!;
    const words = row + 2;
    const last = path[depth]!;
    const shared = commonBits(nodes, last + ADDRESS, rows, words, Math.min(prefix, nodes[last]! & PREFIX));
    while ((nodes[path[depth]!]! & PREFIX) > shared) depth--;

    for (;;) {
      // The network is always inside of this node.
      const node = path[depth]!;
      const length = nodes[node]! & PREFIX;
      if (length === prefix) {
        nodes[node]! |= IS_NETWORK;
        break;
      }
      const link = node + LEFT + bitAt(rows, words, length);
      const child = nodes[link]!;
      const childLength = nodes[child]! & PREFIX;
      const common =
        child === ROOT
          ? prefix
          : commonBits(nodes, child + ADDRESS, rows, words, Math.min(prefix, childLength));
      if (child !== ROOT && common === childLength) {
        path[++depth] = child;
        continue;
      }
      // The network itself, or where it parts from the child: then the network follows at the next turn.
      const fresh = end;
      end += size;
      nodes[fresh] = common === prefix ? prefix | IS_NETWORK : common;
      for (let word = 0; word < width; word++) {
        nodes[fresh + ADDRESS + word] = rows[words + word]! & signedMask(common - word * 32);
      }
      if (child !== ROOT) nodes[fresh + LEFT + bitAt(nodes, child + ADDRESS, common)] = child;
      nodes[link] = fresh;
      path[++depth] = fresh;
      if (common === prefix) break;
    }
  }
  return end;
}

function contains(nodes: Int32Array, node: number, length: number, words: Uint32Array, at: number): boolean {
  for (let word = 0, bits = length; bits > 0; word++, bits -= 32) {
    if (((nodes[node + ADDRESS + word]! ^ words[at + word]!) & signedMask(bits)) !== 0) return false;
  }
  return true;
}

/** How many bits two addresses have in common from the first on, of `most`. */
function commonBits(one: Int32Array, at: number, other: Int32Array, otherAt: number, most: number): number {
  for (let word = 0; word * 32 < most; word++) {
    const difference = one[at + word]! ^ other[otherAt + word]!;
    if (difference !== 0) return Math.min(most, word * 32 + Math.clz32(difference));
  }
  return most;
}

/** The bit behind the first `bits` ones of an address. */
function bitAt(words: Int32Array | Uint32Array, at: number, bits: number): number {
  return (words[at + (bits >>> 5)]! >>> (31 - (bits & 31))) & 1;
}

import { isIPv4, isIPv6 } from 'node:net';
import { AF_INET, AF_INET6 } from '../capture/linux.js';

/**
 * An address is 4 u32 words in some array, most significant first, and its family. IPv4 fills the first word and leaves
 * the rest zero. An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2) stays an IPv6 address, but belongs
 * to the networks of its IPv4 address.
 */
export const ADDRESS_WORDS = 4;

/** Bits before the IPv4 address in an IPv4-mapped one. */
export const MAPPED_PREFIX = 96;

export { AF_INET, AF_INET6 };

/** All addresses with the first `prefix` bits of `words`; the other bits of `words` are zero. */
export interface Network {
  readonly family: number;
  readonly words: Uint32Array;
  readonly prefix: number;
}

/**
 * Copies the address at word `from` of a little-endian buffer; the address is in network byte order.
 * @param rest where all words but the first go
 */
export function readAddress(
  source: Uint32Array,
  from: number,
  family: number,
  out: Uint32Array,
  at: number,
  rest: number = at + 1,
): void {
  const isV6 = family === AF_INET6;
  out[at] = swapBytes(source[from]!);
  out[rest] = isV6 ? swapBytes(source[from + 1]!) : 0;
  out[rest + 1] = isV6 ? swapBytes(source[from + 2]!) : 0;
  out[rest + 2] = isV6 ? swapBytes(source[from + 3]!) : 0;
}

/** The address's bytes in network order: 4, or 16 for IPv6. */
export function addressBytes(words: Uint32Array, at: number, family: number): Uint8Array {
  // Without a view: asking for its buffer would move these few bytes out of V8's heap, which costs more than the rest.
  const bytes = new Uint8Array(family === AF_INET6 ? 16 : 4);
  for (let byte = 0; byte < bytes.length; byte++) {
    bytes[byte] = words[at + (byte >> 2)]! >>> (24 - 8 * (byte & 3));
  }
  return bytes;
}

export function isMapped(words: Uint32Array, at: number, family: number): boolean {
  return family === AF_INET6 && words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
}

/** 127.0.0.0/8, ::1. */
export function isLoopback(words: Uint32Array, at: number, family: number): boolean {
  if (family === AF_INET) return words[at]! >>> 24 === 127;
  if (isMapped(words, at, family)) return words[at + 3]! >>> 24 === 127;
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 1;
}

/** In one of the networks private to an organisation: RFC 1918, 6598, 3927 and the fd half of RFC 4193. */
export function isPrivate(words: Uint32Array, at: number, family: number): boolean {
  if (family === AF_INET) return isPrivateIPv4(words[at]!);
  if (isMapped(words, at, family)) return isPrivateIPv4(words[at + 3]!);
  return words[at]! >>> 24 === 0xfd;
}

function isPrivateIPv4(address: number): boolean {
  return (
    address >>> 24 === 10 || // 10.0.0.0/8
    address >>> 20 === 0xac1 || // 172.16.0.0/12
    address >>> 16 === 0xc0a8 || // 192.168.0.0/16
    address >>> 16 === 0xa9fe || // 169.254.0.0/16
    address >>> 22 === 0x64400000 >>> 22 // 100.64.0.0/10
  );
}

/**
 * Reads `address/length`. Bits behind the prefix may be set and do not count; an IPv4-mapped network is taken as the
 * IPv4 network in it.
 * @throws Error with the value and the allowed form
 */
export function parseNetwork(text: string): Network {
  const [address = '', length, ...rest] = text.split('/');
  const isV4 = isIPv4(address);
  // isIPv6 allows a zone (fe80::1%eth0), but a network has none.
  if (!isV4 && (!isIPv6(address) || address.includes('%'))) {
    throw new Error(`network '${text}': '${address}' is neither an IPv4 nor an IPv6 address`);
  }
  const bits = isV4 ? 32 : 128;
  if (length === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > bits) {
    throw new Error(`network '${text}': expected ${address}/ and a prefix length from 0 to ${bits}`);
  }

  const words = isV4 ? parseIPv4(address) : parseIPv6(address);
  return network(isV4 ? AF_INET : AF_INET6, words, Number(length));
}

/** An address by itself. */
export interface Address {
  readonly family: number;
  readonly words: Uint32Array;
}

/** Reads an address; undefined if it is none. An IPv4-mapped one stays an IPv6 address; a zone is not allowed. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: AF_INET, words: parseIPv4(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { family: AF_INET6, words: parseIPv6(text) };
}

/** The text of an address of 4 or 16 bytes; IPv6 in the form of RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const groups = Array.from({ length: 8 }, (_, group) => view.getUint16(group * 2));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join('.')}`;
  }

  const { start, end } = longestZeroRun(groups);
  const hexadecimal = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (end - start < 2) return hexadecimal(groups);
  return `${hexadecimal(groups.slice(0, start))}::${hexadecimal(groups.slice(end))}`;
}

/** The network around the address `words`, in the form of `settleNetwork`. */
function network(family: number, words: Uint32Array, prefix: number): Network {
  const row = Uint32Array.of(family, prefix, ...words);
  settleNetwork(row, 0);
  return { family: row[0]!, prefix: row[1]!, words: row.subarray(2) };
}

/**
 * Gives a network its one form, in place: an IPv4-mapped one becomes the IPv4 network in it, and bits behind the prefix
 * become zero, since they do not count.
 * @param rows at `row` the family, the prefix's length and the 4 words of an address
 */
export function settleNetwork(rows: Uint32Array, row: number): void {
  const address = row + 2;
  if (rows[row + 1]! >= MAPPED_PREFIX && isMapped(rows, address, rows[row]!)) {
    rows[row] = AF_INET;
    rows[row + 1]! -= MAPPED_PREFIX;
    rows[address] = rows[address + 3]!;
    rows.fill(0, address + 1, address + ADDRESS_WORDS);
  }
  const prefix = rows[row + 1]!;
  for (let word = 0; word < ADDRESS_WORDS; word++) rows[address + word]! &= prefixMask(prefix - word * 32);
}

/** A word with its first `bits` bits set: none below 1, all from 32 on. */
export function prefixMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : ~(0xffffffff >>> bits) >>> 0;
}

function parseIPv4(text: string): Uint32Array {
  const value = text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return Uint32Array.of(value, 0, 0, 0);
}

/** @param text valid by `isIPv6` */
function parseIPv6(text: string): Uint32Array {
  const [head = [], tail] = text.split('::').map(groupsOf);
  const groups =
    tail === undefined
      ? [...head]
      : [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Uint32Array.from({ length: 4 }, (_, at) => groups[at * 2]! * 0x10000 + groups[at * 2 + 1]!);
}

/** The 16-bit groups of a part of an IPv6 address; a dotted quad is two of them. */
function groupsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [parseInt(group, 16)];
    const value = parseIPv4(group)[0]!;
    return [value >>> 16, value & 0xffff];
  });
}

/** The first of the longest runs of zero groups: `[start, end)`. */
function longestZeroRun(groups: readonly number[]): { start: number; end: number } {
  let longest = { start: 0, end: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > longest.end - longest.start) longest = { start, end };
  }
  return longest;
}

function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

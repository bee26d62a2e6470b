import type { Random } from './random.js';

/** Numbers at the edges of types, and of what is counted in nanoseconds. */
export const EDGES: readonly bigint[] = [
  0n,
  1n,
  7n,
  8n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  2n ** 48n - 1n,
  2n ** 48n,
  2n ** 49n,
  2n ** 53n,
  8_640_000_000_000_000_000n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const MOST_BYTES = 256 * 1024;
const MOST_CHANGES = 6;

/** Changes bytes without knowing of their form: one change most of the time, a few at most. */
export function mutateBytes(
  input: Buffer,
  random: Random,
  other: Buffer,
  words: readonly string[] = [],
): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let left = random.oneIn(2) ? 1 : random.size(MOST_CHANGES); left > 0; left--)
    bytes = changed(bytes, random, other, words);
  return bytes.subarray(0, MOST_BYTES);
}

function changed(bytes: Buffer, random: Random, other: Buffer, words: readonly string[]): Buffer {
  const at = random.below(bytes.length);
  const length = Math.min(random.size(8), bytes.length - at);
  const end = at + length;
  switch (random.below(9)) {
    case 0:
      if (bytes.length > 0) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      if (bytes.length > 0) bytes[at] = random.below(256);
      return bytes;
    case 2:
      writeEdge(bytes, at, random);
      return bytes;
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 5: {
      const from = random.below(other.length);
      const part = other.subarray(from, from + random.size(8));
      return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(random.oneIn(2) ? at : end)]);
    }
    case 6:
      return bytes.subarray(0, at);
    case 7: {
      const word = words.length === 0 ? randomBytes(random, length) : Buffer.from(random.pick(words));
      return Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)]);
    }
    default:
      randomBytes(random, length).copy(bytes, at);
      return bytes;
  }
}

/** Writes a number at the edge of something, of 1 to 8 bytes, where numbers start in most forms. */
export function writeEdge(bytes: Buffer, near: number, random: Random): void {
  const size = random.pick([1, 2, 4, 8]);
  const at = near - (near % size);
  if (at + size > bytes.length) return;
  const value = BigInt.asUintN(size * 8, random.pick(EDGES) + BigInt(random.below(3) - 1));
  const little = Buffer.alloc(8);
  little.writeBigUInt64LE(value);
  little.copy(bytes, at, 0, size);
}

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

import { EDGES, mutateBytes } from './mutate-bytes.js';
import { HOSTILE } from './mutate-text.js';
import type { Random } from './random.js';

/** A field on the wire (protobuf.dev/programming-guides/encoding): its key, and its bytes behind that. */
interface Field {
  readonly number: number;
  readonly wire: number;
  /** Of a length-delimited field, without the length. */
  readonly value: Buffer;
}

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const START_GROUP = 3;
const FIXED32 = 5;
/** Levels of a group in itself: one byte each. */
const DEEP = 50_000;

/** Changes fields of a message, at any depth, and keeps the lengths around them right. */
export function mutateProtobuf(input: Buffer, random: Random, other: Buffer): Buffer {
  if (random.oneIn(100)) return Buffer.concat([input, Buffer.alloc(DEEP, 0x0b)]);
  if (random.oneIn(10)) return mutateBytes(input, random, other);
  let bytes = input;
  for (let left = random.size(2); left > 0; left--) bytes = changed(bytes, random, other);
  return bytes;
}

function changed(bytes: Buffer, random: Random, other: Buffer): Buffer {
  const fields = fieldsOf(bytes);
  if (fields === undefined || fields.length === 0) return mutateBytes(bytes, random, other);
  const at = random.below(fields.length);
  const { number, wire, value } = fields[at]!;
  switch (random.below(7)) {
    case 0:
      fields.splice(at, 1);
      break;
    case 1:
      fields.splice(at, 0, fields[at]!);
      break;
    case 2:
      fields[at] = { number: random.oneIn(2) ? 1 + random.below(16) : random.word() >>> 3, wire, value };
      break;
    case 3:
      fields[at] = {
        number,
        wire: random.pick([VARINT, FIXED64, DELIMITED, START_GROUP, FIXED32, 6]),
        value,
      };
      break;
    default:
      fields[at] = { number, wire, value: changedValue(wire, value, random, other) };
  }
  return Buffer.concat(fields.map(encoded));
}

function changedValue(wire: number, value: Buffer, random: Random, other: Buffer): Buffer {
  if (wire === VARINT) return varint(random.pick(EDGES));
  if (wire !== DELIMITED) return mutateBytes(value, random, other).subarray(0, value.length);
  const inner = fieldsOf(value);
  if (inner !== undefined && inner.length > 0 && !random.oneIn(4)) return changed(value, random, other);
  if (random.oneIn(2)) return Buffer.from(random.pick(HOSTILE));
  return random.oneIn(3)
    ? Buffer.alloc(random.size(12), random.below(256))
    : mutateBytes(value, random, other);
}

/** @returns undefined if the bytes are no message */
function fieldsOf(bytes: Buffer): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length;) {
    const key = readVarint(bytes, at);
    if (key === undefined) return undefined;
    at = key.end;
    const [number, wire] = [Math.floor(key.value / 8), key.value % 8];
    let end: number;
    if (wire === VARINT) end = readVarint(bytes, at)?.end ?? Infinity;
    else if (wire === FIXED64) end = at + 8;
    else if (wire === FIXED32) end = at + 4;
    else if (wire === DELIMITED) {
      const length = readVarint(bytes, at);
      at = length?.end ?? at;
      end = length === undefined ? Infinity : at + length.value;
    } else return undefined;
    if (number === 0 || end > bytes.length) return undefined;
    fields.push({ number, wire, value: bytes.subarray(at, end) });
    at = end;
  }
  return fields;
}

function readVarint(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10 && at + i < bytes.length; i++) {
    const byte = bytes[at + i]!;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return undefined;
}

function encoded({ number, wire, value }: Field): Buffer {
  const key = varint(BigInt(number) * 8n + BigInt(wire));
  return Buffer.concat(wire === DELIMITED ? [key, varint(BigInt(value.length)), value] : [key, value]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(left)]);
}

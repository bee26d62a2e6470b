import { containerId } from '../containers/id.js';
import type { ProcessSignal } from '../processes/signal.js';

/** Tags of the fields in `proto/storage.proto` and around it: the field's number and its wire type. */
enum Tag {
  signal = 0x12,
  processSignal = 0x0a,
  id = 0x0a,
  containerId = 0x12,
  time = 0x1a,
  seconds = 0x08,
  nanos = 0x10,
  name = 0x22,
  args = 0x2a,
  path = 0x32,
  pid = 0x38,
  uid = 0x40,
  gid = 0x48,
  scraped = 0x58,
  lineage = 0x62,
  parentUid = 0x08,
  parentPath = 0x12,
}

/** Largest number of one byte in a varint, plus one. */
const BYTE = 0x80;
/** Room before the fields for two tags and two lengths. */
const FRONT = 12;
/** Bytes of one UTF-16 unit in UTF-8 at most. */
const UNIT_BYTES = 3;
/** Bytes at most of a signal without its texts, and of an ancestor without its path. */
const FIXED_BYTES = 160;
const ANCESTOR_BYTES = 32;
const SCRATCH_BYTES = 64 * 1024;
const US_PER_SECOND = 1e6;
const NS_PER_US = 1e3;

/**
 * Encodes process signals as `sensor.SignalStreamMessage`, byte for byte as the generated code does. A signal goes out
 * for every exec, and the generated code, with its checks for each field and its layers of writers, takes V8 long to
 * compile: a third of the time for all code of a young Collector.
 */
export class SignalEncoder {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #at = 0;

  /** The encoded message; undefined if it is too large for this encoder. */
  encode(signal: ProcessSignal): Buffer | undefined {
    if (mostBytes(signal) > SCRATCH_BYTES) return undefined;
    this.#at = FRONT;
    this.#fields(signal);
    const end = this.#at;
    const inner = this.#prefix(FRONT, end, Tag.processSignal);
    const start = this.#prefix(inner, end, Tag.signal);
    const message = Buffer.allocUnsafe(end - start);
    this.#scratch.copy(message, 0, start, end);
    return message;
  }

  #fields({ id, container, time, name, args, path, pid, uid, gid, scraped, lineage }: ProcessSignal): void {
    this.#text(Tag.id, id);
    this.#text(Tag.containerId, containerId(container));
    this.#time(time);
    this.#text(Tag.name, name);
    this.#text(Tag.args, args);
    this.#text(Tag.path, path);
    this.#number(Tag.pid, pid);
    this.#number(Tag.uid, uid);
    this.#number(Tag.gid, gid);
    this.#number(Tag.scraped, Number(scraped));
    for (const { uid, path } of lineage) {
      const start = this.#begin(Tag.lineage);
      this.#number(Tag.parentUid, uid);
      this.#text(Tag.parentPath, path);
      this.#end(start);
    }
  }

  /** @param time Unix time in µs */
  #time(time: number): void {
    const seconds = Math.floor(time / US_PER_SECOND);
    const start = this.#begin(Tag.time);
    this.#number(Tag.seconds, seconds);
    this.#number(Tag.nanos, (time - seconds * US_PER_SECOND) * NS_PER_US);
    this.#end(start);
  }

  /** An empty text is left out, as is a number of 0. */
  #text(tag: number, text: string): void {
    if (text === '') return;
    const start = this.#begin(tag);
    this.#at += this.#scratch.write(text, start);
    this.#end(start);
  }

  #number(tag: number, value: number): void {
    if (value === 0) return;
    this.#scratch[this.#at++] = tag;
    this.#varint(value);
  }

  /** Begins a field with a length, for now of one byte. Returns where its content starts. */
  #begin(tag: number): number {
    this.#scratch[this.#at] = tag;
    this.#at += 2;
    return this.#at;
  }

  /** Ends the field: writes its length, and moves its content on if the length has several bytes. */
  #end(start: number): void {
    const length = this.#at - start;
    if (length < BYTE) {
      this.#scratch[start - 1] = length;
      return;
    }
    const moved = varintSize(length) - 1;
    this.#scratch.copyWithin(start + moved, start, this.#at);
    this.#at = start - 1;
    this.#varint(length);
    this.#at += length;
  }

  /** Writes tag and length before `[start, end)`. Returns where they start. */
  #prefix(start: number, end: number, tag: number): number {
    const length = end - start;
    const at = start - varintSize(length) - 1;
    this.#scratch[at] = tag;
    this.#at = at + 1;
    this.#varint(length);
    return at;
  }

  /** @param value a whole number, 0 or more */
  #varint(value: number): void {
    let rest = value;
    for (; rest >= BYTE; rest = Math.floor(rest / BYTE)) this.#scratch[this.#at++] = (rest % BYTE) | BYTE;
    this.#scratch[this.#at++] = rest;
  }
}

function mostBytes({ name, args, path, lineage }: ProcessSignal): number {
  let bytes = FRONT + FIXED_BYTES + (name.length + args.length + path.length) * UNIT_BYTES;
  for (const ancestor of lineage) bytes += ANCESTOR_BYTES + ancestor.path.length * UNIT_BYTES;
  return bytes;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= BYTE; rest = Math.floor(rest / BYTE)) size++;
  return size;
}

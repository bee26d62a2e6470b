import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Fact, RecordedFact, RecordsFact, ScanFact, StartFact } from '../../actors/capture/facts.js';
import {
  decodeFrame,
  decodeHeader,
  FRAME_HEADER,
  isEnd,
  MAGIC,
  padding,
} from '../../actors/capture/journal.js';
import { Records } from '../../actors/capture/records.js';

/** Recordings of real runs: see spec/support/record-corpus.ts. */
const FOLDER = path.resolve(import.meta.dirname, '../../spec/corpus');
/** Bytes of a part of a recording: enough for every kind of fact, and quickly folded. */
const PART_BYTES = 4 * 1024;
const BATCH_BYTES = 1024;

/** A frame of a recording, header and payload apart, without the zeros behind it. */
export interface Frame {
  readonly header: Buffer;
  readonly payload: Buffer;
}

/** The frames of a file; what is behind the last whole one is left out. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = MAGIC.length; at + FRAME_HEADER <= bytes.length;) {
    const header = bytes.subarray(at, at + FRAME_HEADER);
    const length = header.readUInt32LE(4);
    const payload = bytes.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length);
    if (payload.length < length) break;
    frames.push({ header, payload });
    at += FRAME_HEADER + length + padding(length);
  }
  return frames;
}

/** Joins frames to a file; the lengths in their headers are set right unless `asTheyAre`. */
export function fileOf(frames: readonly Frame[], asTheyAre = false): Buffer {
  const parts = frames.flatMap(({ header, payload }) => {
    const own = Buffer.from(header);
    if (!asTheyAre && own.length >= 8) own.writeUInt32LE(payload.length, 4);
    return [own, payload, Buffer.alloc(padding(payload.length))];
  });
  return Buffer.concat([MAGIC, ...parts]);
}

/** Parts of the recordings: their start, some facts, and an end. */
export function recordingParts(): Buffer[] {
  return files().flatMap((file) => {
    const frames = framesOf(file);
    const [start, ...rest] = frames;
    const end = rest.pop()!;
    const parts: Frame[][] = [];
    let [part, bytes]: [Frame[], number] = [[], 0];
    for (const frame of rest) {
      if (frame.payload.length > PART_BYTES) continue;
      part.push(frame);
      bytes += frame.payload.length;
      if (bytes < PART_BYTES) continue;
      parts.push(part);
      [part, bytes] = [[], 0];
    }
    parts.push(part);
    return parts.slice(0, 2).map((some) => fileOf([start!, ...some, end]));
  });
}

/** The start of a real run. */
export function someStart(): StartFact {
  return facts()[0] as StartFact;
}

/** Inputs to begin with, at most: each is tried first, also in a short run. */
const MOST_SEEDS = 60;

/** Some of many, from all over. */
export function someOf<T>(all: readonly T[]): T[] {
  return all.filter((_, at) => at % Math.ceil(all.length / MOST_SEEDS) === 0);
}

/** Batches of kernel records and of scans, each cut to a few records. */
export function recordBatches(): { readonly of: RecordsFact | ScanFact; readonly bytes: Buffer }[] {
  return facts().flatMap((fact) => {
    if (fact.kind !== 'records' && fact.kind !== 'scan') return [];
    const { records } = fact;
    let end = 0;
    while (end < records.length && end + records.size(end) <= BATCH_BYTES) end += records.size(end);
    return end === 0 ? [] : [{ of: fact, bytes: Buffer.from(records.u8.subarray(0, end)) }];
  });
}

/** Records at an aligned start, as they need it. */
export function recordsOf(bytes: Uint8Array): Records {
  return new Records(new Uint8Array(bytes));
}

let known: RecordedFact[] | undefined;

function facts(): Fact[] {
  known ??= files().flatMap((file) =>
    framesOf(file).flatMap(({ header, payload }) => {
      const read = decodeHeader(header);
      return isEnd(read) ? [] : [decodeFrame(read, new Uint8Array(payload))];
    }),
  );
  return known.filter((fact) => fact.kind !== 'lifecycle');
}

function files(): Buffer[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.collector'))
    .sort()
    .map((name) => readFileSync(path.join(FOLDER, name)));
}

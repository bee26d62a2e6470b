import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openRecording, recordedSpan } from '../../../actors/capture/replayer.js';
import { Failure } from '../../../actors/telemetry/failures.js';
import { createLog } from '../../../actors/telemetry/log.js';
import { allAtOnce } from '../../../actors/capture/slices.js';
import { ReplayPass } from '../../../actors/wiring/replay-pass.js';
import { ensureRefusal } from '../checks.js';
import { mutateBytes, writeEdge } from '../mutate-bytes.js';
import { mutateJson } from '../mutate-json.js';
import { FuzzedNode } from '../node.js';
import type { Random } from '../random.js';
import { fileOf, framesOf, recordingParts, type Frame } from '../recordings.js';
import { ensure, type Target } from '../target.js';

const JSON_START = 0x7b;
const JSON_LIST = 0x5b;

/** A file given to --replay, from a stranger's node. */
export const recordingTarget: Target = {
  holds: 'a recording replays up to its first damaged place, which is named',
  seeds: recordingParts,
  mutate: (input, random, other) => {
    if (random.oneIn(10)) return mutateBytes(input, random, other);
    const frames = framesOf(input);
    if (frames.length === 0) return mutateBytes(input, random, other);
    for (let left = random.size(3); left > 0; left--) change(frames, random, framesOf(other));
    return fileOf(frames, random.oneIn(10));
  },
  open: () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-fuzz-recording-'));
    const file = path.join(folder, 'run');
    const silent = createLog({ level: 'fatal', write: () => undefined });
    let runs = 0;
    return {
      run: (input) => {
        writeFileSync(file, input);
        const facts = attempt(() => replayed(file, ++runs % 8 === 0));
        const span = recordedSpan(file);
        ensure(facts === undefined || span.start <= span.end, () => 'it has facts, and no span');
        if (runs % 4 === 0) attempt(() => watched(file, silent));
      },
      close: () => rmSync(folder, { recursive: true }),
    };
  },
};

/** Folds a recording as --replay does. @returns the number of facts */
function replayed(file: string, withViews: boolean): number {
  const { start, facts } = openRecording(file);
  const node = new FuzzedNode(start);
  let count = 0;
  try {
    for (const fact of facts) {
      node.fold(fact);
      count++;
    }
    if (withViews) node.ensureViews();
  } finally {
    node.close();
  }
  return count;
}

/** The same for the page of --inspect. */
function watched(file: string, log: ReturnType<typeof createLog>): void {
  const pass = new ReplayPass(file, {}, log);
  try {
    while (pass.next !== undefined) allAtOnce(pass.fold());
    pass.parts();
  } finally {
    pass.close();
  }
}

/** @returns undefined if it is refused as a recording should be */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, message } = error as Failure;
    ensure(code.startsWith('REPLAY_'), () => `it fails as ${code}: ${message}`);
    ensureRefusal(message, /recording/i, 'the cause');
    return undefined;
  }
}

function change(frames: Frame[], random: Random, others: readonly Frame[]): void {
  const at = random.below(frames.length);
  const { header, payload } = frames[at]!;
  switch (random.below(8)) {
    case 0:
      frames.splice(at, 1);
      if (frames.length === 0) frames.push({ header, payload });
      break;
    case 1:
      frames.splice(at, 0, frames[at]!);
      break;
    case 2:
      if (others.length > 0) frames.splice(at, random.below(2), random.pick(others));
      break;
    case 3: {
      const copy = Buffer.from(header);
      if (random.oneIn(2)) copy.writeUInt32LE(random.below(45));
      else copy.writeDoubleLE(random.pick(TIMES), random.pick([8, 16]));
      frames[at] = { header: copy, payload };
      break;
    }
    default:
      frames[at] = { header, payload: changedPayload(payload, random, random.pick(frames).payload) };
  }
}

const TIMES = [0, -1, 0.5, 1e9, 1e18, 1.8e19, 8.63e21, -8.63e21, 8.7e21, NaN, Infinity, 5e-324];

function changedPayload(payload: Buffer, random: Random, other: Buffer): Buffer {
  if (payload[0] === JSON_START || payload[0] === JSON_LIST)
    return random.oneIn(8)
      ? mutateBytes(payload, random, other)
      : Buffer.from(mutateJson(payload.toString(), random));
  if (random.oneIn(3)) return mutateBytes(payload, random, other);
  const bytes = Buffer.from(payload);
  for (let left = random.size(3); left > 0 && bytes.length > 0; left--)
    writeEdge(bytes, random.below(bytes.length), random);
  return bytes;
}

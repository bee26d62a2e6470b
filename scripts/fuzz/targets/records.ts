import { decodeFrame, decodeHeader, encodeFrame } from '../../../actors/capture/journal.js';
import { record_header } from '../../../actors/capture/layout.js';
import { ensureRefusal } from '../checks.js';
import { mutateBytes, writeEdge } from '../mutate-bytes.js';
import { FuzzedNode } from '../node.js';
import { recordBatches, recordsOf, someOf, someStart } from '../recordings.js';
import { Broken, type Target } from '../target.js';

const NS_PER_SECOND = 1e9;

/** Records of the kernel as a recording has them: any bytes with the look of records. */
export const recordsTarget: Target = {
  holds: 'records are refused as a whole, or read without an error by everybody',
  seeds: () => someOf(recordBatches()).map(({ bytes }) => bytes),
  mutate: (input, random, other) => {
    if (random.oneIn(8)) return mutateBytes(input, random, other);
    // Numbers of a record, but for its size, most of the time.
    const bytes = Buffer.from(random.oneIn(6) ? Buffer.concat([input, other]) : input);
    const starts: number[] = [];
    const records = recordsOf(bytes);
    for (let at = 0; at + record_header.SIZE <= records.length; at += records.size(at)) {
      starts.push(at);
      if (records.size(at) < record_header.SIZE) break;
    }
    for (let left = random.size(4); left > 0 && starts.length > 0; left--) {
      const at = random.pick(starts);
      const first = random.oneIn(8) ? 0 : record_header.type;
      const field = at + first + random.below(Math.min(records.size(at), 128) - first);
      if (random.oneIn(2)) writeEdge(bytes, field, random);
      else if (field < bytes.length) bytes[field] = random.below(256);
    }
    return bytes;
  },
  open: () => {
    const start = someStart();
    let node = new FuzzedNode(start);
    let runs = 0;
    return {
      run: (input) => {
        if (++runs % 64 === 0) node = new FuzzedNode(start);
        const time = start.time + runs * NS_PER_SECOND;
        for (const of of ['records', 'processes', 'sockets'] as const) {
          const records = readRecords(input);
          if (records === undefined) return;
          if (of === 'records') node.fold({ kind: 'records', time, records });
          else node.fold({ kind: 'scan', of, audience: 'same', time, records });
        }
        node.fold({ kind: 'tick', time, epoch: start.epoch, audience: runs % 4 === 0 ? 'fresh' : 'same' });
        if (runs % 16 === 0) node.ensureViews();
      },
    };
  },
};

/** @returns undefined if they are refused */
function readRecords(input: Buffer) {
  const [header, payload] = encodeFrame({ kind: 'records', time: 0, records: recordsOf(input) });
  try {
    const fact = decodeFrame(decodeHeader(Buffer.from(header)), new Uint8Array(payload));
    if (fact.kind === 'records') return fact.records;
  } catch (error) {
    ensureRefusal((error as Error).message, /^a malformed record \d+ bytes into a frame$/, 'a refusal');
    return undefined;
  }
  throw new Broken('records are read as something else');
}

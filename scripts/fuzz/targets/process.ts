import { exit_record, process_record, RecordType, socket_record } from '../../../actors/capture/layout.js';
import type { Records } from '../../../actors/capture/records.js';
import { mutateBytes } from '../mutate-bytes.js';
import { HOSTILE } from '../mutate-text.js';
import { FuzzedNode } from '../node.js';
import { textsOf, withTexts } from '../process-record.js';
import type { Random } from '../random.js';
import { recordBatches, recordsOf, someOf, someStart } from '../recordings.js';
import type { Target } from '../target.js';

const COMM_BYTES = 15;
const NS_PER_SECOND = 1e9;

/** What a process of a container chooses: its arguments, names and paths, those of its ancestors and its cgroup. */
export const processTarget: Target = {
  holds: 'texts of processes forge no line, drive no terminal, and reach Sensor as valid UTF-8',
  seeds: () => someOf(recordBatches().flatMap(({ of, bytes }) => (of.kind === 'records' ? [bytes] : []))),
  mutate: (input, random) => {
    const records = recordsOf(input);
    const parts: Buffer[] = [];
    for (let at = 0; at < records.length; at += records.size(at)) parts.push(changed(records, at, random));
    return Buffer.concat(parts);
  },
  open: () => {
    const start = someStart();
    let node = new FuzzedNode(start);
    let runs = 0;
    return {
      run: (input) => {
        if (++runs % 256 === 0) node = new FuzzedNode(start);
        const records = recordsOf(input);
        const time = start.time + runs * NS_PER_SECOND;
        node.fold({ kind: 'records', time, records });
        node.fold({ kind: 'scan', of: 'processes', audience: 'same', time, records });
        node.fold({ kind: 'tick', time, epoch: start.epoch, audience: runs % 8 === 0 ? 'fresh' : 'same' });
        if (runs % 16 === 0) node.ensureViews();
      },
    };
  },
};

function changed(records: Records, at: number, random: Random): Buffer {
  const whole = records.u8.subarray(at, at + records.size(at));
  if (random.oneIn(3)) return whole;
  switch (records.type(at)) {
    case RecordType.exec:
    case RecordType.process: {
      const texts = textsOf(records, at);
      const place = random.pick(['path', 'args', 'args', 'cgroup', 'lineage'] as const);
      if (place === 'lineage') for (const one of texts.lineage) one.path = hostile(one.path, random);
      else texts[place] = hostile(texts[place], random);
      const fixed = Buffer.from(whole);
      if (random.oneIn(2)) setComm(fixed, process_record.comm, random);
      return withTexts(fixed, texts);
    }
    case RecordType.exit:
      return withComm(whole, exit_record.comm, random);
    case RecordType.selfCheck:
      return whole;
    default:
      return withComm(whole, socket_record.comm, random);
  }
}

function hostile(text: Buffer, random: Random): Buffer {
  if (random.oneIn(2)) return mutateBytes(text, random, text, HOSTILE);
  return Buffer.concat(
    Array.from({ length: random.below(5) }, () => Buffer.from(`${random.pick(HOSTILE)}\0`)),
  );
}

function withComm(whole: Buffer, at: number, random: Random): Buffer {
  const copy = Buffer.from(whole);
  setComm(copy, at, random);
  return copy;
}

/** As prctl(PR_SET_NAME) does it: 15 bytes of any kind, and a NUL. */
function setComm(record: Buffer, at: number, random: Random): void {
  record.fill(0, at, at + COMM_BYTES + 1);
  hostile(record.subarray(at, at + COMM_BYTES), random).copy(record, at, 0, COMM_BYTES);
}

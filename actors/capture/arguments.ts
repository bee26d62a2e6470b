import type { ArgumentReader, ReadAnswer, ReadRequest } from './argument-reader.js';
import { process_record, record_header, RecordFlag } from './layout.js';
import { TICK_NS } from './procfs/text.js';
import { align8, processParts, Records } from './records.js';

/** Processes of one part of a scan: their arguments take 256 KiB at most. */
const PART_PROCESSES = 64;

/** Reads the arguments of a scan's processes. */
export interface ArgumentSource {
  readonly reader: ArgumentReader;
  /** Whether the arguments of the process at `at` are known already, and need no reading. */
  readonly knows: (records: Records, at: number) => boolean;
}

/**
 * Cuts process records into small parts, and fills in missing arguments (`RecordFlag.argsLost`). Records with known or
 * unreadable arguments stay as they are, and so do those of processes ended meanwhile, since their exits are events.
 */
export async function* withArguments(
  records: Records,
  { reader, knows }: ArgumentSource,
): AsyncGenerator<Records> {
  for (let at = 0; at < records.length;) {
    const starts: number[] = [];
    const wanted: number[] = [];
    const requests: ReadRequest[] = [];
    for (; at < records.length && starts.length < PART_PROCESSES; at += records.size(at)) {
      starts.push(at);
      if ((records.flags(at) & RecordFlag.argsLost) === 0 || knows(records, at)) continue;
      wanted.push(starts.length - 1);
      requests.push(requestOf(records, at));
    }
    const answers = new Map<number, ReadAnswer>();
    if (requests.length > 0) {
      const read = await reader.read('arguments', requests);
      read.forEach((answer, i) => answers.set(wanted[i]!, answer));
    }
    yield filled(
      records,
      starts,
      starts.map((_, i) => answers.get(i)),
    );
  }
}

function requestOf(records: Records, at: number): ReadRequest {
  return {
    pid: records.u32[(at + process_record.scanner_pid) >> 2]!,
    tid: records.u32[(at + process_record.tid) >> 2]!,
    container: records.container(at),
    startTicks: Math.floor(records.u64(at + process_record.start_time) / TICK_NS),
  };
}

/** A copy of records with the arguments read for each of them, in memory of its own. */
function filled(
  records: Records,
  starts: readonly number[],
  answers: readonly (ReadAnswer | undefined)[],
): Records {
  const room = starts.reduce((sum, at, i) => sum + align8(records.size(at) + argumentsSize(answers[i])), 0);
  const u8 = new Uint8Array(room);
  const view = new DataView(u8.buffer);
  let used = 0;
  starts.forEach((at, i) => {
    const start = used;
    const copy = (from: number, to: number) => {
      u8.set(records.u8.subarray(from, to), used);
      used += to - from;
    };
    const answer = answers[i];
    const end = at + records.size(at);
    if (typeof answer !== 'object') {
      copy(at, end);
      return;
    }
    const args = processParts.args(records, at);
    const lineage = processParts.lineage(records, at);
    copy(at, args);
    u8.set(answer.bytes, used);
    used += answer.bytes.length;
    copy(args, args + records.u16[(at + process_record.cgroup_size) >> 1]!);
    used = align8(used);
    copy(lineage, end);
    const flags = (records.flags(at) & ~RecordFlag.argsLost) | (answer.isCut ? RecordFlag.argsCut : 0);
    view.setUint8(start + record_header.flags, flags);
    view.setUint16(start + process_record.args_size, answer.bytes.length, true);
    view.setUint16(start + record_header.size, used - start, true);
  });
  return new Records(u8, used);
}

function argumentsSize(answer: ReadAnswer | undefined): number {
  return typeof answer === 'object' ? answer.bytes.length : 0;
}

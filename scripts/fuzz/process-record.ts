import {
  ancestor_record,
  process_record,
  RECORD_CAPACITY,
  record_header,
} from '../../actors/capture/layout.js';
import { align8, processParts, type Records } from '../../actors/capture/records.js';

/** Capacities of `native/bpf/layout.h`, bytes. */
const PATH_CAPACITY = 4096;
const ARGS_CAPACITY = 4096;
const CGROUP_CAPACITY = 1024;
const ANCESTOR_CAPACITY = 1024;

/** The texts of a process record, all of them chosen by processes. */
export interface ProcessTexts {
  path: Buffer;
  args: Buffer;
  cgroup: Buffer;
  /** Paths of its ancestors, with their fixed parts. */
  lineage: { fixed: Buffer; path: Buffer }[];
}

/** Takes the texts out of the process record at `at`. */
export function textsOf(records: Records, at: number): ProcessTexts {
  const { u8, u16 } = records;
  const [args, cgroup] = [processParts.args(records, at), processParts.cgroup(records, at)];
  const lineage: ProcessTexts['lineage'] = [];
  let ancestor = processParts.lineage(records, at);
  for (let left = u16[(at + process_record.lineage_count) >> 1]!; left > 0; left--) {
    const start = ancestor + ancestor_record.SIZE;
    const size = u16[(ancestor + ancestor_record.path_size) >> 1]!;
    lineage.push({ fixed: u8.subarray(ancestor, start), path: u8.subarray(start, start + size) });
    ancestor = processParts.nextAncestor(records, ancestor);
  }
  return {
    path: u8.subarray(processParts.path(at), args),
    args: u8.subarray(args, cgroup),
    cgroup: u8.subarray(cgroup, cgroup + u16[(at + process_record.cgroup_size) >> 1]!),
    lineage,
  };
}

/** A process record with other texts, cut where the kernel side cuts them. @param fixed its part before the texts */
export function withTexts(fixed: Buffer, { path, args, cgroup, lineage }: ProcessTexts): Buffer {
  const texts = [
    path.subarray(0, PATH_CAPACITY),
    args.subarray(0, ARGS_CAPACITY),
    cgroup.subarray(0, CGROUP_CAPACITY),
  ];
  const head = Buffer.from(fixed.subarray(0, process_record.SIZE));
  head.writeUInt16LE(texts[0]!.length, process_record.path_size);
  head.writeUInt16LE(texts[1]!.length, process_record.args_size);
  head.writeUInt16LE(texts[2]!.length, process_record.cgroup_size);
  head.writeUInt16LE(lineage.length, process_record.lineage_count);
  const parts = [padded([head, ...texts]), ...lineage.map(ancestorOf)];
  const whole = Buffer.concat(parts).subarray(0, RECORD_CAPACITY);
  whole.writeUInt16LE(whole.length, record_header.size);
  return whole;
}

function ancestorOf({ fixed, path }: ProcessTexts['lineage'][number]): Buffer {
  const cut = path.subarray(0, ANCESTOR_CAPACITY);
  const head = Buffer.from(fixed);
  head.writeUInt16LE(cut.length, ancestor_record.path_size);
  return padded([head, cut]);
}

function padded(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.concat(parts);
  return Buffer.concat([whole, Buffer.alloc(align8(whole.length) - whole.length)]);
}

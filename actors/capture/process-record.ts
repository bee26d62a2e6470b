import { ancestor_record, exit_record, process_record, RecordFlag } from './layout.js';
import { processParts, type Records } from './records.js';
import { decodeField, decodeText } from './text.js';

const COMM_SIZE = 16;

/** The kernel's name for the process, at most 15 bytes. */
export function processComm(records: Records, at: number): string {
  return decodeField(records.u8, at + process_record.comm, COMM_SIZE);
}

/**
 * Path of the executable from the root of its mount namespace; only its end if `RecordFlag.pathCut`. Below
 * `(unreachable)` the path proves nothing: its file system is mounted nowhere.
 */
export function processPath(records: Records, at: number): string {
  return decodeText(records.u8, processParts.path(at), processParts.args(records, at));
}

/** Arguments without argv[0], joined by spaces. NULs at the end separate nothing: a title was written over the rest. */
export function processArguments(records: Records, at: number): string {
  const { u8 } = records;
  const start = processParts.args(records, at);
  let end = processParts.cgroup(records, at);
  const cut = (records.flags(at) & RecordFlag.argsCut) !== 0;
  while (end > start && u8[end - 1] === 0) end--;
  return decodeText(u8, start, end, cut).replaceAll('\0', ' ');
}

/** Path of the cgroup by its names. */
export function processCgroup(records: Records, at: number): string {
  const start = processParts.cgroup(records, at);
  return decodeText(records.u8, start, start + records.u16[(at + process_record.cgroup_size) >> 1]!);
}

/** The outermost container around the process's: the process's own if it is in no other. */
export function outermostContainer(records: Records, at: number): number {
  return records.u64(at + process_record.outermost) || records.container(at);
}

/** An ancestor within the same container. */
export interface Ancestor {
  readonly pid: number;
  /** Real, in the initial user namespace. */
  readonly uid: number;
  readonly path: string;
}

/** The ancestors, nearest first; of neighbours with equal paths only the nearest. */
export function processLineage(records: Records, at: number): Ancestor[] {
  const count = records.u16[(at + process_record.lineage_count) >> 1]!;
  const lineage: Ancestor[] = [];
  let ancestor = processParts.lineage(records, at);
  for (let i = 0; i < count; i++) {
    const start = ancestor + ancestor_record.SIZE;
    const path = decodeText(
      records.u8,
      start,
      start + records.u16[(ancestor + ancestor_record.path_size) >> 1]!,
    );
    // The kernel has left out neighbours running the same file; a replaced file has the same path all the same.
    if (lineage.at(-1)?.path !== path) {
      lineage.push({
        pid: records.u32[(ancestor + ancestor_record.pid) >> 2]!,
        uid: records.u32[(ancestor + ancestor_record.uid) >> 2]!,
        path,
      });
    }
    ancestor = processParts.nextAncestor(records, ancestor);
  }
  return lineage;
}

/** The end of a process, as wait(2) reports it. */
export interface ProcessExit {
  /** The kernel's name for the process. */
  readonly name: string;
  readonly status: number;
  /** The killing signal; 0: it exited by itself. */
  readonly signal: number;
}

/** Reads the exit record at `at`. */
export function processExit(records: Records, at: number): ProcessExit {
  const code = records.u32[(at + exit_record.exit_code) >> 2]!;
  return {
    name: decodeField(records.u8, at + exit_record.comm, COMM_SIZE),
    status: code >>> 8,
    signal: code & 0x7f,
  };
}

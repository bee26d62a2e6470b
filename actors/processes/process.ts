import { process_record, RecordFlag } from '../capture/layout.js';
import { outermostContainer, processArguments, processComm, processPath } from '../capture/process-record.js';
import type { Records } from '../capture/records.js';
import type { Originator } from './originators.js';

/** A tick of USER_HZ, ns. */
const TICK_NS = 1e7;

/** A process as remembered. */
export interface Process extends Originator {
  /** Stands for path and arguments if there was no room for them: then they and the name are empty. */
  readonly digest?: number;
  /** Number of the executed program, shared with forks; 0: not known. */
  readonly image: number;
  /** CLOCK_BOOTTIME, ns. With the pid it names a process for good, since pids are used again. */
  readonly startTime: number;
  /** Count of execs in the record, for telling images of a process apart; 0: unknown. */
  readonly execId: number;
  readonly container: number;
  /** Pid of its parent by then, in whatever container. */
  readonly parent: number;
  /** Real, in the initial user namespace. */
  readonly uid: number;
  /** Owner of the shares it takes: its container, or the outermost around that. */
  readonly sharer: number;
  /** Time of the scan that listed it, CLOCK_BOOTTIME in ns; 0 if its start was seen. */
  readonly scanned: number;
  /** Time of its exec, CLOCK_BOOTTIME in ns; 0 if only a scan or its listening showed it. */
  readonly executed: number;
  /** Its arguments could not be read. */
  readonly isArgsLost: boolean;
  /** A signal has reported it. Listening alone makes no signal. */
  readonly isReported: boolean;
}

/**
 * Reads a process from its record.
 * @param before the process known by this pid. The same image keeps the name, path and arguments of its exec, whatever
 *   the process writes over them later.
 */
export function readProcess(
  records: Records,
  at: number,
  scanned: number,
  isReported: boolean,
  before?: Process,
): Process {
  const path = processPath(records, at);
  const startTime = records.u64(at + process_record.start_time);
  const isLost = (records.flags(at) & RecordFlag.argsLost) !== 0;
  // Text dropped for want of room is read anew.
  const isKept = before !== undefined && before.digest === undefined;
  const known = isKept && isSameImage(before, records, at) ? before : undefined;
  const read = known === undefined || known.isArgsLost;
  return {
    startTime,
    execId: records.u32[(at + process_record.exec_id) >> 2]!,
    image: records.u64(at + process_record.image),
    container: records.container(at),
    parent: records.u32[(at + process_record.ppid) >> 2]!,
    uid: records.u32[(at + process_record.uid) >> 2]!,
    sharer: outermostContainer(records, at),
    scanned,
    isReported,
    name: known?.name ?? (processComm(records, at) || path),
    path: known?.path ?? path,
    args: read ? processArguments(records, at) : known.args,
    isArgsLost: read && isLost,
    executed: before !== undefined && isSameStart(before.startTime, startTime) ? before.executed : 0,
  };
}

/**
 * Whether a record is of a known process and its image: by the kernel's count of execs, or by the path where procfs
 * gives no count.
 */
export function isSameImage(known: Process, records: Records, at: number): boolean {
  const startTime = records.u64(at + process_record.start_time);
  if (!isSameStart(known.startTime, startTime)) return false;
  const execId = records.u32[(at + process_record.exec_id) >> 2]!;
  return known.execId === 0 || execId === 0
    ? known.path === processPath(records, at)
    : known.execId === execId;
}

/**
 * Whether two start times of one pid are of one process. Procfs gives whole ticks, while the kernel's own times hardly
 * ever are; no pid is used twice within a tick.
 */
export function isSameStart(a: number, b: number): boolean {
  if (a === b) return true;
  return (a % TICK_NS === 0 || b % TICK_NS === 0) && Math.floor(a / TICK_NS) === Math.floor(b / TICK_NS);
}

/** Characters kept of a process. */
export function textSize({ name, path, args }: Originator): number {
  return name.length + path.length + args.length;
}

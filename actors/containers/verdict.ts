import { RecordFlag } from '../capture/layout.js';
import { processCgroup } from '../capture/process-record.js';
import type { Records } from '../capture/records.js';
import { isContainerInPath } from './cgroup-path.js';
import { containerId } from './id.js';

/** The second judgement of a container, after the kernel side's. */
export interface Verdict {
  /** As the kernel side has it, 12 digits. */
  readonly id: string;
  /** Path of the cgroup. */
  readonly cgroup: string;
  /** Whether the path names the container; undefined: it was cut, so it proves nothing. */
  readonly isNamed: boolean | undefined;
}

/** Judges the container of the process in the record at `at` by the path of its cgroup. */
export function judge(records: Records, at: number): Verdict {
  const id = containerId(records.container(at));
  const cgroup = processCgroup(records, at);
  const isCut = (records.flags(at) & RecordFlag.cgroupCut) !== 0;
  // Any container of the path will do: the nearest may have a forged name.
  return { id, cgroup, isNamed: isCut ? undefined : isContainerInPath(id, cgroup) };
}

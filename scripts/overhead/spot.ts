import { readFileSync } from 'node:fs';
import path from 'node:path';

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]];

/** Where a process runs: a cgroup and a network namespace. */
export interface Spot {
  /** A folder of cgroup v2. */
  readonly cgroup: string;
  /** A file. */
  readonly network: string;
}

/** The network of this process. */
export const OWN_NETWORK = '/proc/self/ns/net';
const ENTER = 'echo 0 >"$0/cgroup.procs" && exec nsenter --net="$1" -- "${@:2}"';

/** The command as it runs in a spot: the same process all the time. */
export function within({ cgroup, network }: Spot, command: Command): Command {
  return ['bash', '-c', ENTER, cgroup, network, ...command];
}

/** Sends a signal to all processes of a cgroup. */
export function signalAll(cgroup: string, signal: NodeJS.Signals): void {
  const processes = readFileSync(path.join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  for (const pid of processes) {
    try {
      process.kill(Number(pid), signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Processor time of all processes that are or were in a cgroup, ns. */
export function processorTimeOf(cgroup: string): number {
  const statistics = readFileSync(path.join(cgroup, 'cpu.stat'), 'utf8');
  return Number(/^usage_usec (\d+)/m.exec(statistics)?.[1]) * 1000;
}

import { readdirSync, readFileSync } from 'node:fs';

/** The parent of every thread of the kernel. */
const KTHREADD = '2';

/** Processor time of the kernel's threads: deferred work, and soft interrupts in too great a number. */
export class KernelThreads {
  /** Whether a process is one, for the processes seen last. */
  #known = new Map<string, boolean>();

  /** Of all alive, ns. A thread ended in between takes its time along. */
  time(): number {
    const known = new Map<string, boolean>();
    let sum = 0;
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const isThread = this.#known.get(pid) ?? parentOf(pid) === KTHREADD;
      known.set(pid, isThread);
      if (isThread) sum += timeOf(pid);
    }
    this.#known = known;
    return sum;
  }
}

function parentOf(pid: string): string | undefined {
  // Behind the name, with any characters in it.
  return /\) \S (\d+) [^)]*$/.exec(read(`/proc/${pid}/stat`))?.[1];
}

function timeOf(pid: string): number {
  return Number(read(`/proc/${pid}/schedstat`).split(' ')[0]);
}

/** @returns '' if the process has ended */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

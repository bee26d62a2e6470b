import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cgroupHierarchies } from './container.js';
import { eventually } from './eventually.js';
import type { Resource } from './resource.js';

/** Period of a quota of processor time, µs. */
const PERIOD_US = 100_000;

/** A cgroup with a limit, for processes of this machine. It has to be empty to be removed. */
export class Limit implements Resource {
  readonly #root: string;
  readonly #folder: string;
  readonly #isUnified: boolean;

  private constructor(controller: string) {
    const hierarchies = cgroupHierarchies();
    const own = hierarchies.get(controller);
    const unified = hierarchies.get('v2');
    this.#isUnified = own === undefined;
    if (own === undefined) {
      if (unified === undefined || !text(unified, 'cgroup.controllers').split(/\s/).includes(controller))
        throw new Error(`No cgroup hierarchy has the controller ${controller}.`);
      writeFileSync(path.join(unified, 'cgroup.subtree_control'), `+${controller}`);
    }
    this.#root = own ?? unified!;
    this.#folder = path.join(this.#root, `collector-limit-${randomBytes(4).toString('hex')}`);
    mkdirSync(this.#folder);
  }

  /** @param share of one processor */
  static processor(share: number): Limit {
    const limit = new Limit('cpu');
    const quota = Math.round(share * PERIOD_US);
    if (limit.#isUnified) {
      limit.#write('cpu.max', `${quota} ${PERIOD_US}`);
    } else {
      limit.#write('cpu.cfs_period_us', String(PERIOD_US));
      limit.#write('cpu.cfs_quota_us', String(quota));
    }
    return limit;
  }

  /** @param bytes of memory, the kernel's for these processes included */
  static memory(bytes: number): Limit {
    const limit = new Limit('memory');
    limit.#write(limit.#isUnified ? 'memory.max' : 'memory.limit_in_bytes', String(bytes));
    return limit;
  }

  /** A command to start the one behind it within the limit. */
  get through(): readonly string[] {
    return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', path.join(this.#folder, 'cgroup.procs')];
  }

  /** Number of processes killed by the kernel for the limit of memory. */
  get kills(): number {
    const file = this.#isUnified ? 'memory.events' : 'memory.oom_control';
    return Number(/^oom_kill (\d+)/m.exec(text(this.#folder, file))?.[1] ?? 0);
  }

  enter(pid: number): void {
    this.#write('cgroup.procs', String(pid));
  }

  /** Takes a process out of the limit. */
  leave(pid: number): void {
    writeFileSync(path.join(this.#root, 'cgroup.procs'), String(pid));
  }

  async remove(): Promise<void> {
    await eventually(() => isRemoved(this.#folder), `${this.#folder} can be removed`);
  }

  #write(file: string, value: string): void {
    writeFileSync(path.join(this.#folder, file), value);
  }
}

function text(folder: string, file: string): string {
  return readFileSync(path.join(folder, file), 'utf8');
}

/** Whether a cgroup is gone now; a process that has just ended keeps it for a moment. */
function isRemoved(folder: string): boolean {
  if (!existsSync(folder)) return true;
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

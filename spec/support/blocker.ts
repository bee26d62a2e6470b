import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Resource } from './resources.js';
import { scratchFolder } from './workload.js';

const SOURCE = path.join(import.meta.dirname, '../workload/blocker.c');

/** Whether this kernel has what blockers need. */
export const hasFuse = existsSync('/dev/fuse');

let binary: string | undefined;

/** Path of the compiled blocker.c, and a new folder for its file system. */
export function blocker(): { readonly program: string; readonly folder: string } {
  if (binary === undefined) {
    const target = path.join(scratchFolder(), 'blocker');
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-static'];
    execFileSync('gcc', [...flags, '-o', target, SOURCE], { stdio: ['ignore', 'inherit', 'inherit'] });
    binary = target;
  }
  return { program: binary, folder: mkdtempSync(path.join(scratchFolder(), 'mount-')) };
}

/** A process of the host whose arguments nobody can read. */
export class Blocked implements Resource {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(...args: readonly string[]): Promise<Blocked> {
    const { program, folder } = blocker();
    const child = spawn(program, [folder, ...args], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const blocked = new Blocked(child);
    await once(createInterface(child.stdout), 'line');
    return blocked;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async remove(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    process.kill(-this.pid, 'SIGKILL'); // the file system's server too
    await ended;
  }
}

import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { shortageOf } from '../../telemetry/shortage.js';
import type { ProcfsProblems } from './problems.js';

/** Bytes of the only buffer for reading files. The kernel hands out a page or so at a time. */
const BUFFER_BYTES = 64 * 1024;

/**
 * Files below a mounted procfs, read by the collecting thread: only files readable without a wait for a process.
 *
 * - `stat` and `status` (kernel: do_task_stat, proc_pid_status) read numbers of the memory's descriptor, without
 *   mmap_lock;
 * - `cgroup` (proc_cgroup_show) takes locks of cgroups, never held across a wait for a process;
 * - `exe` and `root` (get_task_exe_file, get_task_root) take references, and texts by d_path without the file system;
 * - `fd` and `ns` (proc_fd_link, ns_get_name) do the same; the tables below `net` are under spin locks.
 *
 * `cmdline`, `environ`, `maps` and `mem` take mmap_lock or wait for pages: they are for `ArgumentReader` alone.
 *
 * A vanished file reads as undefined, since processes end all the time; a forbidden one does so too, and is counted.
 * A shortage, as of descriptors, is thrown.
 */
export class ProcfsFiles {
  /** Existing but unreadable files, and the first of them. */
  unreadable = 0;
  firstUnreadable = '';
  readonly #folder: string;
  readonly #problems: ProcfsProblems | undefined;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);

  /** @param folder where the procfs is mounted @param problems counts unreadable files by kind */
  constructor(folder: string, problems?: ProcfsProblems) {
    this.#folder = folder;
    this.#problems = problems;
  }

  /** Pids of all processes, ascending. */
  pids(): number[] {
    const names = this.list('') ?? [];
    return names.flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
  }

  list(path: string): string[] | undefined {
    return this.#tried(path, () => readdirSync(this.#at(path)));
  }

  /** Target of a link, as text of bytes. */
  link(path: string): string | undefined {
    return this.#tried(path, () => readlinkSync(this.#at(path), 'latin1'));
  }

  /** The first bytes of a file, at most the buffer's, as text of bytes. */
  text(path: string, limit = BUFFER_BYTES): string | undefined {
    return this.#tried(path, () => {
      const file = openSync(this.#at(path), 'r');
      try {
        let length = 0;
        while (length < limit) {
          const count = readSync(file, this.#buffer, length, limit - length, null);
          if (count === 0) break;
          length += count;
        }
        return this.#buffer.toString('latin1', 0, length);
      } finally {
        closeSync(file);
      }
    });
  }

  /**
   * Reads a file of any length through the buffer.
   * @param take gets the first bytes of the buffer, and returns how many of them it has done with
   * @returns whether the file was there
   */
  stream(path: string, take: (bytes: Uint8Array, length: number) => number): boolean {
    const read = this.#tried(path, () => {
      const file = openSync(this.#at(path), 'r');
      try {
        let length = 0;
        for (;;) {
          const count = readSync(file, this.#buffer, length, BUFFER_BYTES - length, null);
          if (count === 0) return true;
          length += count;
          const done = take(this.#buffer, length);
          this.#buffer.copyWithin(0, done, length);
          length -= done;
        }
      } finally {
        closeSync(file);
      }
    });
    return read === true;
  }

  #at(path: string): string {
    return `${this.#folder}/${path}`;
  }

  #tried<T>(path: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      // Not read for want of descriptors, a process would count as gone: better no scan than half of one.
      if (shortageOf(error) !== undefined) throw error;
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      // Without /proc itself, nothing can have gone.
      if ((code !== 'ENOENT' && code !== 'ESRCH') || path === '') {
        this.#problems?.unreadable(path);
        if (this.unreadable++ === 0) this.firstUnreadable = `${this.#at(path)}: ${code}`;
      }
      return undefined;
    }
  }
}

import type { LostLink } from '../../native/index.js';
import { Failure } from '../telemetry/failures.js';
import type { Level } from '../telemetry/line.js';

/** Keeps account of programs detached from the kernel by somebody else: see `Driver.restoreLinks`. */
export class Links {
  /** Programs found detached so far; one staying detached counts once. */
  detached = 0;
  #failure: Failure | undefined;
  #failing: readonly string[] = [];

  /** Why events are missing now: some programs can't be attached again. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /**
   * Takes the outcome of a look at the links.
   * @returns lines for the log: one for programs attached again, cause and remedy of a new failure, and one
   *   for its end
   */
  look(lost: readonly LostLink[]): { readonly level: Level; readonly message: string }[] {
    const lines: { level: Level; message: string }[] = [];
    const failed = lost.filter(({ errno }) => errno !== undefined);
    const restored = lost.filter(({ errno }) => errno === undefined).map(({ program }) => program);
    const sudden = restored.filter((program) => !this.#failing.includes(program));
    const programs = failed.map(({ program }) => program);
    this.detached += sudden.length + programs.filter((program) => !this.#failing.includes(program)).length;
    if (sudden.length > 0) {
      lines.push({
        level: 'warning',
        message:
          `Somebody detached BPF programs of Collector: ${sudden.join(', ')}. They are attached again; events since ` +
          'the last report are missing. "bpftool link" and the audit log of the node help to find out who did it',
      });
    }
    const isNew = programs.join() !== this.#failing.join();
    if (failed.length > 0 && isNew) {
      this.#failure = new Failure('PROGRAMS_DETACHED', { programs, errno: failed[0]!.errno! });
      lines.push({ level: 'error', message: this.#failure.message });
      lines.push({ level: 'error', message: `Remedy: ${this.#failure.remedy}` });
    } else if (failed.length === 0 && this.#failure !== undefined) {
      this.#failure = undefined;
      lines.push({ level: 'info', message: `BPF programs are attached again: ${this.#failing.join(', ')}.` });
    }
    this.#failing = programs;
    return lines;
  }
}

import type { ProcfsFiles } from './files.js';
import {
  parseCgroup,
  parseIds,
  parseStat,
  withinRoot,
  withoutDeleted,
  type Membership,
  type Stat,
} from './text.js';

/** A process during one scan: what is asked for is read once, and undefined if the process has gone meanwhile. */
export class Task {
  readonly pid: number;
  readonly #files: ProcfsFiles;
  readonly #containerOf: (path: string) => number;
  #membership: { readonly is: Membership | undefined } | undefined;
  #stat: { readonly is: Stat | undefined } | undefined;
  #path: { readonly is: string | undefined } | undefined;
  #ids: { readonly is: ReturnType<typeof parseIds> } | undefined;

  constructor(pid: number, files: ProcfsFiles, containerOf: (path: string) => number) {
    this.pid = pid;
    this.#files = files;
    this.#containerOf = containerOf;
  }

  get membership(): Membership | undefined {
    this.#membership ??= {
      is: parsed(this.#files.text(`${this.pid}/cgroup`), (text) => parseCgroup(text, this.#containerOf)),
    };
    return this.#membership.is;
  }

  get stat(): Stat | undefined {
    this.#stat ??= { is: parsed(this.#files.text(`${this.pid}/stat`), parseStat) };
    return this.#stat.is;
  }

  /** Path of its executable as the process itself sees it; a kernel thread and a zombie have none. */
  get path(): string | undefined {
    this.#path ??= { is: this.#readPath() };
    return this.#path.is;
  }

  get ids(): ReturnType<typeof parseIds> {
    this.#ids ??= { is: parsed(this.#files.text(`${this.pid}/status`), parseIds) };
    return this.#ids.is;
  }

  #readPath(): string | undefined {
    const link = this.#files.link(`${this.pid}/exe`);
    if (link === undefined) return undefined;
    const root = this.#files.link(`${this.pid}/root`);
    return root === undefined ? undefined : withoutDeleted(withinRoot(link, root));
  }
}

function parsed<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}

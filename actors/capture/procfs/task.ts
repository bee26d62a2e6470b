import type { ProcfsFiles } from './files.js';
import {
  membershipIn,
  parseCgroupLines,
  parseIds,
  parseStat,
  withoutDeleted,
  type CgroupLine,
  type ContainerOf,
  type Membership,
  type Stat,
} from './text.js';

/** Flag PF_EXITING of linux/sched.h: a task with it executes nothing any more. */
export const EXITING = 0x4;

/** A process during one scan: each property is read at its first use, and undefined if the process has gone. */
export class Task {
  readonly pid: number;
  readonly #files: ProcfsFiles;
  readonly #containerOf: ContainerOf;
  #folder: string | undefined;
  #cgroups: { readonly is: readonly CgroupLine[] | undefined } | undefined;
  #membership: { readonly is: Membership | undefined } | undefined;
  #stat: { readonly is: Stat | undefined } | undefined;
  #path: { readonly is: string | undefined } | undefined;
  #ids: { readonly is: ReturnType<typeof parseIds> } | undefined;

  constructor(pid: number, files: ProcfsFiles, containerOf: ContainerOf) {
    this.pid = pid;
    this.#files = files;
    this.#containerOf = containerOf;
  }

  get membership(): Membership | undefined {
    this.#membership ??= { is: this.#readMembership() };
    return this.#membership.is;
  }

  get stat(): Stat | undefined {
    this.#stat ??= { is: parseIfRead(this.#files.text(`${this.pid}/stat`), parseStat) };
    return this.#stat.is;
  }

  /** Whether its first thread has ended. If it has, others may go on: `folder` is one of theirs then. */
  get isLeaderless(): boolean {
    return ((this.stat?.flags ?? 0) & EXITING) !== 0;
  }

  /** Of the thread speaking for it. */
  get tid(): number {
    return Number(this.folder.split('/').at(-1));
  }

  /** Folder below /proc of the process, or of a living thread if the first one has ended. */
  get folder(): string {
    this.#folder ??= this.isLeaderless ? this.#livingThread() : `${this.pid}`;
    return this.#folder;
  }

  /** Path of its executable from the root of its mount namespace; a kernel thread and a zombie have none. */
  get path(): string | undefined {
    this.#path ??= { is: parseIfRead(this.#files.link(`${this.folder}/exe`), withoutDeleted) };
    return this.#path.is;
  }

  get ids(): ReturnType<typeof parseIds> {
    this.#ids ??= { is: parseIfRead(this.#files.text(`${this.folder}/status`), parseIds) };
    return this.#ids.is;
  }

  /** Its cgroups, one for each hierarchy. */
  get cgroups(): readonly CgroupLine[] | undefined {
    this.#cgroups ??= { is: this.#readCgroups() };
    return this.#cgroups.is;
  }

  #readMembership(): Membership | undefined {
    const { cgroups } = this;
    return cgroups === undefined ? undefined : membershipIn(cgroups, this.#containerOf);
  }

  #readCgroups(): readonly CgroupLine[] | undefined {
    const read = (folder: string) => parseIfRead(this.#files.text(`${folder}/cgroup`), parseCgroupLines);
    const first = read(`${this.pid}`);
    const v1 = first?.filter(({ hierarchy }) => hierarchy !== '') ?? [];
    // To cgroup v1 an ended thread is in the root of each hierarchy.
    const isMaybeGone = v1.length > 0 && v1.every(({ path }) => path === '/');
    return isMaybeGone && this.isLeaderless ? read(this.folder) : first;
  }

  #livingThread(): string {
    const threads = (this.#files.list(`${this.pid}/task`) ?? []).map((tid) => `${this.pid}/task/${tid}`);
    return threads.find((thread) => this.#isLiving(thread)) ?? `${this.pid}`;
  }

  #isLiving(thread: string): boolean {
    const stat = parseIfRead(this.#files.text(`${thread}/stat`), parseStat);
    return stat !== undefined && (stat.flags & EXITING) === 0;
  }
}

function parseIfRead<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}

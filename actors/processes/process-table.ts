import { TWO_32 } from '../capture/records.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import { Shares } from '../shares/shares.js';
import { Images } from './images.js';
import { seededHash } from './keyed-hash.js';
import { isSameStart, textSize, type Process } from './process.js';

/**
 * Characters of the names, paths and arguments of all processes: 256 for each of 32,768, and no more than 16 MiB
 * however long the arguments are. A process whose text had no room is still known, by its digest.
 */
const MOST_TEXT = 8 * 1024 * 1024;
/** Bits of a hash's upper half in a digest. */
const DIGEST_HIGH = 2 ** 21 - 1;
/** Before a run has started. */
const NO_SEED = '0'.repeat(15);

/** The processes by pid, within bounds for their number and text, and the images they execute. */
export class ProcessTable {
  readonly images = new Images();
  readonly #processes = new Map<number, Process>();
  /** The same by the owners of the shares they take; and those with a text. */
  readonly #shares: Shares<number>;
  readonly #textShares = new Shares<number>(MOST_TEXT);
  readonly #refusals = new Refusals('processes');
  readonly #textRefusals = new Refusals('the arguments of processes');
  #hash = seededHash(NO_SEED);
  readonly #digestWords = new Uint32Array(2);
  #evicted = 0;

  /** @param capacity processes to remember at most */
  constructor(capacity: number) {
    this.#shares = new Shares(capacity);
  }

  get size(): number {
    return this.#processes.size;
  }

  /** Characters of all names, paths and arguments. */
  get text(): number {
    return this.#textShares.used;
  }

  /** Processes forgotten for want of room, ever. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Takes the key of a run, so that nobody can choose texts with equal digests. */
  seed(seed: string): void {
    this.#hash = seededHash(seed);
  }

  /** Pids of all processes now. */
  pids(): number[] {
    return [...this.#processes.keys()];
  }

  get(pid: number): Process | undefined {
    return this.#processes.get(pid);
  }

  /** Remembers a process, and makes room for it. */
  set(pid: number, process: Process): void {
    const before = this.#processes.get(pid);
    if (before !== undefined) this.#forget(pid, before.sharer);
    if (before !== undefined && before.image !== process.image) this.images.retire(before);
    this.#processes.set(pid, process);
    this.#shares.add(process.sharer, pid, 1);
    this.#textShares.add(process.sharer, pid, textSize(process));
    for (let excess; (excess = this.#shares.excess()) !== undefined;) {
      const evicted = this.#processes.get(excess.member)!;
      this.#forget(excess.member, excess.owner);
      this.images.retire(evicted);
      this.#evicted++;
      this.#refusals.note(excess.owner);
    }
    for (let excess; (excess = this.#textShares.excess()) !== undefined;) {
      this.#dropText(excess.member);
      this.#textShares.remove(excess.owner, excess.member);
      this.#textRefusals.note(excess.owner);
    }
  }

  /** Forgets an ended process, but not its image. */
  end(pid: number, startTime: number): void {
    const process = this.#processes.get(pid);
    if (process === undefined || !isSameStart(process.startTime, startTime)) return;
    this.#forget(pid, process.sharer);
    this.images.retire(process);
  }

  /** Whether both are one image of one process. */
  isSame(a: Process, b: Process): boolean {
    if (a.container !== b.container || !isSameStart(a.startTime, b.startTime)) return false;
    const haveIds = a.execId !== 0 && b.execId !== 0;
    if (haveIds && a.execId !== b.execId) return false;
    const areArgsLost = a.isArgsLost || b.isArgsLost;
    if (a.digest !== undefined || b.digest !== undefined)
      return haveIds || areArgsLost || this.#digest(a) === this.#digest(b);
    return a.path === b.path && (a.args === b.args || areArgsLost);
  }

  /** Containers refused room for processes or their text, each once in a run and table. */
  takeRefusals(): Refusal[] {
    return [...this.#refusals.take(), ...this.#textRefusals.take()];
  }

  #forget(pid: number, sharer: number): void {
    this.#processes.delete(pid);
    this.#shares.remove(sharer, pid);
    this.#textShares.remove(sharer, pid);
  }

  #dropText(pid: number): void {
    const process = this.#processes.get(pid)!;
    const digest = this.#digest(process);
    const bare = { ...process, name: '', path: '', args: '', digest };
    this.#processes.set(pid, bare);
    this.images.replace(process, bare);
  }

  /** 53 bits of a keyed hash, in place of path and arguments. */
  #digest({ digest, path, args }: Process): number {
    if (digest !== undefined) return digest;
    const hash = this.#hash;
    hash.start();
    hash.text(path);
    hash.text(args);
    hash.end(this.#digestWords);
    const [low, high] = this.#digestWords as unknown as [number, number];
    return low + (high & DIGEST_HIGH) * TWO_32;
  }
}

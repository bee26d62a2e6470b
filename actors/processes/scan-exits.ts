import { isSameStart } from './process.js';

/** Exits remembered during a scan, at most; and how much longer, ns, than the parts of the scan need them. */
const MOST_EXITS = 65_536;
const MARGIN_NS = 1e9;

/** The end of a process during a scan, whose later parts may still list it. */
export interface Exit {
  /** CLOCK_BOOTTIME, ns. */
  readonly time: number;
  readonly startTime: number;
  readonly isReported: boolean;
}

/** Remembers the ends of processes during a scan of processes: its later parts may still list them. */
export class ScanExits {
  /** By pid, the oldest first; undefined: no scan is under way. */
  #exits: Map<number, Exit> | undefined;

  get size(): number {
    return this.#exits?.size ?? 0;
  }

  get isScanning(): boolean {
    return this.#exits !== undefined;
  }

  begin(): void {
    this.#exits = new Map();
  }

  end(): void {
    this.#exits = undefined;
  }

  add(pid: number, exit: Exit): void {
    const exits = this.#exits!;
    exits.delete(pid);
    exits.set(pid, exit);
    if (exits.size > MOST_EXITS) exits.delete(exits.keys().next().value!);
  }

  find(pid: number, startTime: number): Exit | undefined {
    const exit = this.#exits?.get(pid);
    return exit !== undefined && isSameStart(exit.startTime, startTime) ? exit : undefined;
  }

  /** Forgets exits too early for the later parts of a scan, after a part with records up to `listed`. */
  forgetBefore(listed: number): void {
    if (this.#exits === undefined) return;
    for (const [pid, { time }] of this.#exits) {
      if (time >= listed - MARGIN_NS) return;
      this.#exits.delete(pid);
    }
  }
}

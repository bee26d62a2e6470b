import { readFileSync } from 'node:fs';
import { Daemon, type DaemonOptions } from '../lab/daemon.js';
import { eventually } from '../lab/eventually.js';
import type { Resource } from '../lab/resource.js';
import { lossesIn, unconfirmedIn, type Loss } from './ledger.js';

/** Time for a daemon to collect, ms; it may wait 30 s for Sensor. */
const READY_MS = 60_000;
/** Time for an answer of `/metrics`, ms. */
const SCRAPE_MS = 5000;
/** Longest wait for an end, ms. */
const NEVER_MS = 10_000;
const KIB = 1024;

/** One life of the daemon, from its start to its end. */
export class Life implements Resource {
  readonly daemon: Daemon;
  /** Losses at the latest scrape; after the end with the unconfirmed ones. */
  losses: readonly Loss[] = [];
  /** Most resident memory so far, bytes. */
  memory = 0;
  /** From SIGTERM to the end of the process, ms. */
  ending: number | undefined;
  readonly #start = performance.now();
  #end: number | undefined;

  constructor(args: readonly string[], options: DaemonOptions) {
    this.daemon = new Daemon(args, options);
    void this.daemon.ended.then(() => (this.#end = performance.now()));
  }

  /** Its length so far, s. */
  get seconds(): number {
    return ((this.#end ?? performance.now()) - this.#start) / 1000;
  }

  get log(): string {
    return this.daemon.stderr;
  }

  /** Waits until events flow. @throws Error with the end of the log if the daemon ends before */
  async ready(): Promise<void> {
    await this.says(/Self-check passed/, READY_MS);
  }

  /** Waits for a line of the log. @throws Error with its end if the daemon ends before */
  async says(line: RegExp, patience?: number): Promise<void> {
    const end = () => this.log.slice(-1000);
    await eventually(
      () => {
        if (line.test(this.log)) return true;
        if (!this.daemon.isRunning) throw new Error(`Collector has ended:\n${end()}`);
        return false;
      },
      () => `the log says ${line}, and not only:\n${end()}`,
      patience,
    );
  }

  /** Asks for the losses, and looks at the memory. */
  async look(): Promise<void> {
    const [, address] = /Metrics server listens on (\S+)/.exec(this.log) ?? [];
    const answer = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(SCRAPE_MS) });
    this.losses = lossesIn(await answer.text());
    this.#lookAtMemory();
  }

  /** Ends it as Kubernetes does, in any state. @returns exit code; null: killed, since it did not end */
  async stop(): Promise<number | null> {
    this.#lookAtMemory();
    const start = performance.now();
    this.daemon.signal('SIGTERM');
    const killer = setTimeout(() => this.daemon.signal('SIGKILL'), NEVER_MS);
    const code = await this.daemon.ended;
    clearTimeout(killer);
    this.ending = performance.now() - start;
    return code;
  }

  /** Adds the unconfirmed messages in its last words. @param endsInReport most ends in one report */
  readLastWords(endsInReport: number): void {
    this.losses = [...this.losses, ...unconfirmedIn(this.log, endsInReport)];
  }

  async remove(): Promise<void> {
    // A stopped process takes no other signal but this one.
    await this.daemon.remove();
  }

  #lookAtMemory(): void {
    try {
      const status = readFileSync(`/proc/${this.daemon.pid}/status`, 'utf8');
      this.memory = Math.max(this.memory, Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) * KIB);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // it has ended
    }
  }
}

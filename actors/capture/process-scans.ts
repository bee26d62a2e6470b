import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { Audience, ScanFact } from './facts.js';
import { Records } from './records.js';

export interface ProcessScansOptions {
  /** Lists the running processes, in parts of some milliseconds' work. */
  readonly list: () => AsyncIterable<Records>;
  /** Makes a fact of a part; fulfilled when it is folded. */
  readonly deliver: (part: ScanFact['part'], audience: Audience, records: Records) => Promise<void>;
  /** Audience of a part delivered now. */
  readonly audience: () => Audience;
  /** Whether the audience can take another part now. */
  readonly hasRoom: () => boolean;
  /** A scan for this audience has failed; others may follow. */
  readonly onError: (error: unknown, wanted: 'same' | 'fresh') => void;
}

/**
 * Scans processes beside everything else, part after part, each with a turn of the event loop behind it: nothing waits
 * for a scan, and one part at a time is in memory. There is one scan at a time. One for a fresh audience takes the
 * place of the scan under way, and finds the same processes.
 */
export class ProcessScans {
  readonly #options: ProcessScansOptions;
  #wanted: 'same' | 'fresh' | undefined;
  /** Counts up whenever the scan under way is given up. */
  #generation = 0;
  #running: Promise<void> | undefined;
  #isClosed = false;
  /** Lets a waiting part go on. */
  #resume: (() => void) | undefined;

  constructor(options: ProcessScansOptions) {
    this.#options = options;
  }

  /** Asks for a scan from now on. */
  request(audience: 'same' | 'fresh'): void {
    if (this.#isClosed) return;
    if (audience === 'fresh') {
      this.#wanted = audience;
      this.#giveUp();
    }
    this.#wanted ??= audience;
    this.#running ??= this.#run();
  }

  /** Waits until no scan is under way or asked for, or for so many milliseconds. */
  async idle(mostMs: number): Promise<void> {
    if (this.#running === undefined) return;
    const over = new AbortController();
    const late = delay(mostMs, undefined, { ref: false, signal: over.signal }).catch(() => undefined);
    await Promise.race([this.#running, late]);
    over.abort();
  }

  /** Gives up the scan under way. */
  close(): void {
    this.#isClosed = true;
    this.#wanted = undefined;
    this.#giveUp();
  }

  /** Tries again to deliver a part; the audience may have room. */
  goOn(): void {
    this.#resume?.();
  }

  #giveUp(): void {
    this.#generation++;
    this.goOn();
  }

  async #run(): Promise<void> {
    for (let wanted; (wanted = this.#wanted) !== undefined;) {
      this.#wanted = undefined;
      try {
        await this.#scan(wanted, this.#generation);
      } catch (error) {
        if (!this.#isClosed) this.#options.onError(error, wanted);
      }
    }
    this.#running = undefined;
  }

  async #scan(wanted: 'same' | 'fresh', generation: number): Promise<void> {
    const { list, deliver, audience, hasRoom } = this.#options;
    const isGivenUp = () => generation !== this.#generation;
    // A fresh audience gone meanwhile gets nothing; the next one has a scan of its own.
    const partAudience = () => (audience() === 'none' ? 'none' : wanted === 'fresh' ? 'fresh' : audience());
    await deliver('first', partAudience(), NOTHING);
    if (isGivenUp()) return;
    for await (const records of list()) {
      while (!isGivenUp() && !hasRoom()) await new Promise<void>((resolve) => (this.#resume = resolve));
      if (isGivenUp()) return;
      await deliver('next', partAudience(), records);
      await turn();
      if (isGivenUp()) return;
    }
    await deliver('last', partAudience(), NOTHING);
  }
}

const NOTHING = new Records(new Uint8Array(0));

import { createHash } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Coverage, type CoverageSum } from './coverage.js';
import type { CurrentInput } from './current-input.js';
import { Random } from './random.js';
import { Broken, type Session, type Target } from './target.js';

/** Inputs between two looks at the coverage. */
const BATCH = 64;
/** Inputs kept to be changed, at most: beyond it a new one takes the place of any. */
const MOST_KEPT = 2000;
/** Buffers that may stay after a batch, bytes: no input of at most 256 KiB needs so much. */
const MOST_BUFFERS = 512 * 1024 * 1024;
const SWEEP_MS = 100;
const MOST_LOOKS = 10;
/** Attempts to make a failing input smaller. */
const MOST_CUTS = 200;
const root = path.resolve(import.meta.dirname, '../..');

export interface CampaignOptions {
  readonly seed: number;
  /** Inputs to make and try, at most; Infinity: until the time is over. */
  readonly executions: number;
  /** ms; Infinity: until all are tried. */
  readonly milliseconds: number;
  /** Lets inputs with new code in their way be changed further. */
  readonly coverage: Coverage | undefined;
  /** Inputs to try first: they broke it once. */
  readonly corpus: readonly Buffer[];
  readonly current: CurrentInput;
  readonly onBroken: (broken: BrokenInput) => void;
}

/** An input with a broken property. */
export interface BrokenInput {
  /** The same for all inputs with the same place of the error. */
  readonly key: string;
  readonly message: string;
  readonly input: Buffer;
}

export interface CampaignResult {
  readonly executions: number;
  readonly milliseconds: number;
  /** Inputs kept to be changed. */
  readonly kept: number;
  readonly coverage: CoverageSum | undefined;
}

/** Tries inputs on one target. */
export class Campaign {
  readonly #target: Target;
  readonly #options: CampaignOptions;
  readonly #random: Random;
  readonly #inputs: Buffer[];
  readonly #broken = new Set<string>();
  #session: Session | undefined;
  /** Thrown where nobody waits for it, while an input was tried. */
  #stray: unknown;
  #executions = 0;

  constructor(target: Target, options: CampaignOptions) {
    this.#target = target;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#inputs = [...options.corpus, ...target.seeds()];
  }

  async run(): Promise<CampaignResult> {
    const { executions, milliseconds, coverage } = this.#options;
    const stray = (error: unknown) => (this.#stray = error);
    process.on('uncaughtException', stray).on('unhandledRejection', stray);
    const start = performance.now();
    try {
      for (const input of this.#inputs) await this.#try(input);
      coverage?.take();
      const end = this.#executions + executions;
      while (this.#executions < end && performance.now() - start < milliseconds) {
        const batch = Array.from({ length: Math.min(BATCH, end - this.#executions) }, () => this.#made());
        for (const input of batch) await this.#try(input);
        await this.#keepNew(batch);
        if (!(await this.#isBounded(batch.at(-1)!))) break;
      }
    } finally {
      await this.#close();
      process.off('uncaughtException', stray).off('unhandledRejection', stray);
    }
    return {
      executions: this.#executions,
      milliseconds: performance.now() - start,
      kept: this.#inputs.length,
      coverage: coverage?.sum,
    };
  }

  #made(): Buffer {
    const random = this.#random;
    // Half of the time one of the newest: their neighbours are untried.
    const { length } = this.#inputs;
    const at = random.oneIn(2) ? random.below(length) : length - 1 - random.below(Math.min(length, 32));
    return this.#target.mutate(this.#inputs[at]!, random, random.pick(this.#inputs));
  }

  /** Keeps inputs of a batch with new code in their way: it is tried again, one input at a time. */
  async #keepNew(batch: readonly Buffer[]): Promise<void> {
    const { coverage } = this.#options;
    if (coverage === undefined) return;
    const fresh = coverage.take(false);
    if (fresh === 0) return;
    for (const input of batch) {
      await this.#try(input);
      if (coverage.take(true) === 0) continue;
      if (this.#inputs.length < MOST_KEPT) this.#inputs.push(input);
      else this.#inputs[this.#random.below(MOST_KEPT)] = input;
    }
  }

  async #try(input: Buffer): Promise<void> {
    const error = await this.#failure(input);
    if (error === undefined) return;
    const key = keyOf(error);
    if (this.#broken.has(key)) return;
    this.#broken.add(key);
    const smaller = await this.#smaller(input, key);
    this.#options.onBroken({ key, message: messageOf(error), input: smaller });
  }

  /** @returns undefined if the property holds */
  async #failure(input: Buffer): Promise<unknown> {
    this.#executions++;
    this.#options.current.set(input);
    this.#stray = undefined;
    this.#session ??= await this.#target.open();
    try {
      const ran = this.#session.run(Buffer.from(input));
      if (ran !== undefined) await ran;
    } catch (error) {
      this.#stray ??= error;
    }
    // Inputs after it begin anew.
    if (this.#stray !== undefined) await this.#close();
    return this.#stray;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close?.();
  }

  /** Leaves parts out, as long as it breaks at the same place; an input that needs those before it stays whole. */
  async #smaller(input: Buffer, key: string): Promise<Buffer> {
    let [small, size] = [input, input.length >> 1];
    for (let cuts = 0; size > 0 && cuts < MOST_CUTS; size >>= 1) {
      for (let at = 0; at < small.length && cuts < MOST_CUTS; cuts++) {
        const shorter = Buffer.concat([small.subarray(0, at), small.subarray(at + size)]);
        const error = await this.#failure(shorter);
        if (error !== undefined && keyOf(error) === key) small = shorter;
        else at += size;
      }
    }
    return small;
  }

  /** Whether buffers do not pile up. They are swept beside the program, so a second look needs some time. */
  async #isBounded(input: Buffer): Promise<boolean> {
    for (let looks = 0; process.memoryUsage().arrayBuffers > MOST_BUFFERS; looks++) {
      globalThis.gc?.();
      await delay(SWEEP_MS);
      if (looks < MOST_LOOKS) continue;
      const message = `${process.memoryUsage().arrayBuffers} bytes of buffers stay`;
      this.#options.onBroken({ key: 'memory', message, input });
      return false;
    }
    return true;
  }
}

/** Where it broke, as far as this is of the project: type of the error, and the place of the nearest frame. */
function keyOf(error: unknown): string {
  if (!(error instanceof Error)) return `thrown ${typeof error}`;
  const frames = (error.stack ?? '').split('\n').filter((line) => line.includes(root));
  const own = frames.find((line) => !line.includes('node_modules') && !line.includes('checks.ts')) ?? '';
  const what = error instanceof Broken ? error.message.replace(/[\d":].*$/, '') : error.name;
  return `${what} ${own.replace(root, '').trim()}`;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => line.includes('    at '))
    .slice(0, 6);
  return [`${error.name}: ${error.message}`, ...frames].join('\n').replaceAll(root, '');
}

/** A short name for the file of an input. */
export function nameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}

import { execFile, spawn, type ChildProcess, type ExecFileException } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { within, type Command, type Spot } from './spot.js';

/** How to know that a program is ready to work. */
export type Ready = { readonly line: string } | { readonly file: string } | { readonly seconds: number };

export interface BackgroundOptions {
  /** For errors. */
  readonly name: string;
  readonly command: Command;
  readonly spot: Spot;
  readonly ready: Ready;
  /** File of its output. */
  readonly log: string;
  /** Gives up waiting. */
  readonly stop: AbortSignal;
}

/** Arguments of setpriv: a process ends with its parent, however that ends. */
export const WITH_PARENT = ['--pdeathsig', 'KILL'] as const;

const POLL_MS = 20;
const READY_MS = 30_000;
const STOP_MS = 10_000;
const SHOWN_LINES = 2;
/** Of lines that say more than the last ones, such as the end of a stack. */
const TELLING = /\b(error|failed|fatal|unable|can ?not|no such)\b/i;
const MOST_OUTPUT = 64 * 1024 * 1024;
const run = promisify(execFile);

/** Runs a command to its end. @returns its standard output @throws Error with its words */
export async function finish(command: Command, stop: AbortSignal, spot?: Spot): Promise<string> {
  const words = spot === undefined ? command : within(spot, command);
  try {
    const options = { signal: stop, killSignal: 'SIGKILL', maxBuffer: MOST_OUTPUT } as const;
    return (await run('setpriv', [...WITH_PARENT, ...words], options)).stdout;
  } catch (error) {
    stop.throwIfAborted();
    const { message, stderr = '', stdout = '' } = error as ExecFileException;
    const words = tellingLines(stderr) || tellingLines(stdout) || message;
    throw new Error(`${path.basename(command[0])} failed: ${words}`, { cause: error });
  }
}

/** A program in the background. */
export class Background {
  readonly #options: BackgroundOptions;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  private constructor(options: BackgroundOptions) {
    this.#options = options;
    const output = openSync(options.log, 'w');
    const command = within(options.spot, options.command);
    this.#child = spawn('setpriv', [...WITH_PARENT, ...command], { stdio: ['ignore', output, output] });
    closeSync(output);
    this.#exit = once(this.#child, 'close');
  }

  /** Starts a program and waits until it is ready. @throws Error with its words if it ends before */
  static async start(options: BackgroundOptions): Promise<Background> {
    const background = new Background(options);
    try {
      await background.#becomeReady();
      return background;
    } catch (error) {
      await background.stop('SIGKILL');
      throw error;
    }
  }

  /** @param signal to end it; after a while in vain it is SIGKILL */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#exit;
    clearTimeout(timer);
  }

  async #becomeReady(): Promise<void> {
    const { name, ready, stop } = this.#options;
    const start = performance.now();
    for (;;) {
      const waited = performance.now() - start;
      const problem = this.#hasEnded ? 'ended before it was ready' : undefined;
      if (problem === undefined && this.#isReady(waited)) return;
      const isLate = !('seconds' in ready) && waited > READY_MS;
      if (problem !== undefined || isLate) {
        const words = tellingLines(readFileSync(this.#options.log, 'utf8')) || 'it said nothing';
        throw new Error(`${name} ${problem ?? `was not ready in ${READY_MS / 1000} s`}: ${words}`);
      }
      await sleep(POLL_MS, undefined, { signal: stop });
    }
  }

  #isReady(waited: number): boolean {
    const { ready, log } = this.#options;
    if ('seconds' in ready) return waited >= ready.seconds * 1000;
    if ('file' in ready) return existsSync(ready.file);
    return readFileSync(log, 'utf8').includes(ready.line);
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

function tellingLines(text: string): string {
  const lines = text.trim().split('\n');
  const telling = lines.filter((line) => TELLING.test(line)).slice(0, SHOWN_LINES);
  return (telling.length > 0 ? telling : lines.slice(-SHOWN_LINES)).join('\n');
}

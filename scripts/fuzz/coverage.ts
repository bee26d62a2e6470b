import { Session, type Profiler } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/** Coverage of one file of the product. */
interface FileCoverage {
  readonly file: string;
  /** A byte for each character: whether it ran. */
  readonly ran: Uint8Array;
}

/** Coverage of the files with any, characters of their JavaScript. */
export interface CoverageSum {
  readonly ran: number;
  readonly of: number;
  readonly files: Readonly<Record<string, readonly [ran: number, of: number]>>;
}

/**
 * Coverage of the product by V8's own counters, block by block: they need no change of the code.
 * Reading them costs milliseconds, so it is done for a batch of inputs.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #files = new Map<string, FileCoverage | undefined>();
  #new = 0;
  #keeps = true;

  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Begins anew, for another target. */
  forget(): void {
    this.take();
    for (const one of this.#files.values()) one?.ran.fill(0);
  }

  stop(): void {
    this.#session.disconnect();
  }

  /**
   * Takes the coverage since the last call.
   * @param keeps counts it as known from now on
   * @returns characters with their first run
   */
  take(keeps = true): number {
    this.#new = 0;
    this.#keeps = keeps;
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const script of answer.result) this.#add(script);
    });
    return this.#new;
  }

  get sum(): CoverageSum {
    const files = Object.fromEntries(
      [...this.#files.values()].flatMap((one) => {
        const ran = one?.ran.reduce((sum, byte) => sum + byte, 0) ?? 0;
        return one === undefined || ran === 0 ? [] : [[one.file, [ran, one.ran.length] as const]];
      }),
    );
    const [ran, of] = [0, 1].map((at) => Object.values(files).reduce((sum, two) => sum + two[at]!, 0));
    return { ran: ran!, of: of!, files };
  }

  #add({ scriptId, url, functions }: Profiler.ScriptCoverage): void {
    const known = this.#file(scriptId, url, functions);
    if (known === undefined) return;
    for (const { ranges } of functions) {
      if (ranges[0]!.count === 0) continue;
      // Inner ranges come behind the ones around them.
      const { startOffset, endOffset } = ranges[0]!;
      const now = new Uint8Array(Math.min(endOffset, known.ran.length) - startOffset).fill(1);
      for (const { startOffset: from, endOffset: to, count } of ranges)
        now.fill(Number(count > 0), from - startOffset, to - startOffset);
      for (let at = 0; at < now.length; at++) {
        if (now[at] === 0 || known.ran[startOffset + at] === 1) continue;
        if (this.#keeps) known.ran[startOffset + at] = 1;
        this.#new++;
      }
    }
  }

  /** @returns undefined for scripts of others */
  #file(id: string, url: string, functions: readonly Profiler.FunctionCoverage[]): FileCoverage | undefined {
    if (!this.#files.has(id)) this.#files.set(id, fileOf(url, functions));
    return this.#files.get(id);
  }
}

function fileOf(url: string, functions: readonly Profiler.FunctionCoverage[]): FileCoverage | undefined {
  if (!url.startsWith('file:')) return undefined;
  const file = path.relative(root, fileURLToPath(url));
  if (!/^(actors|machines)\//.test(file)) return undefined;
  // Behind the last function is the source map; the module itself is one that starts at 0.
  const inner = functions.filter(({ ranges }) => ranges[0]!.startOffset > 0);
  const end = inner.reduce((most, { ranges }) => Math.max(most, ranges[0]!.endOffset), 0);
  return { file, ran: new Uint8Array(end) };
}

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { BadUsage } from '../command.js';
import type { Block } from './block.js';

/** Has to be the same for blocks to be counted together. */
export interface Circumstances {
  readonly kernel: string;
  readonly cpus: number;
  readonly model: string;
  readonly node: string;
  /** A digest of the build. */
  readonly build: string;
  readonly seconds: number;
  readonly warmUp: number;
}

/** Measured blocks in a file, a line of JSON each behind a line of their circumstances, so that a run can go on. */
export class Journal {
  readonly blocks: Block[];
  readonly #file: string | undefined;

  /**
   * @param file undefined: nothing is kept
   * @throws BadUsage if the blocks in it were measured in other circumstances
   */
  constructor(file: string | undefined, circumstances: Circumstances) {
    this.#file = file;
    this.blocks = [];
    if (file === undefined) return;
    if (!existsSync(file)) {
      appendFileSync(file, `${JSON.stringify(circumstances)}\n`);
      return;
    }
    const [first = 'null', ...lines] = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const before = JSON.parse(first) as unknown;
    if (!isDeepStrictEqual(before, circumstances)) {
      throw new BadUsage(
        `${file} was begun in other circumstances: ${first}, now ${JSON.stringify(circumstances)}. Take another file.`,
      );
    }
    this.blocks = lines.map((line) => JSON.parse(line) as Block);
  }

  add(block: Block): void {
    this.blocks.push(block);
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(block)}\n`);
  }

  /** Blocks like this one so far. */
  count(workload: string, place: string, agent: string): number {
    return this.blocks.filter(
      (block) => block.workload === workload && block.place === place && block.agent === agent,
    ).length;
  }
}

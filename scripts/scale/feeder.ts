import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Workshop } from '../bench/workshop.js';

/** What is fed: client ends that stay, whole connections between two containers, or processes. */
export type FeedKind = 'hold' | 'connection' | 'exec';

/** Records of one of a kind. */
export const RECORDS: Readonly<Record<FeedKind, number>> = { hold: 1, connection: 4, exec: 2 };

export interface Feed {
  readonly kind: FeedKind;
  readonly count: number;
  /** A second. */
  readonly rate: number;
  readonly containers: number;
}

/** Records written into rings, and those without room. */
export interface Fed {
  readonly written: number;
  readonly lost: number;
}

/** BPF_MAP_TYPE_ARRAY_OF_MAPS: a Collector has one, of its rings. */
const ARRAY_OF_MAPS = 12;
/** Digits of a container's name that are left for its number. */
const NUMBER_SPACE = 2 ** 24;
/** Bit 48: there is a container. */
const PRESENT = 2 ** 48;
const run = promisify(execFile);

/**
 * Feeds the rings of a running Collector with records of sockets and processes there are not: the kernel's rings and
 * all behind them are real. Made by a BPF program, since nothing else may write to a ring.
 */
export class Feeder {
  readonly #folder: string;
  readonly #stop: AbortSignal;
  /** Number of the first container. */
  readonly #base = PRESENT + randomInt(1, NUMBER_SPACE) * NUMBER_SPACE;
  readonly #fed: Record<FeedKind, number> = { hold: 0, connection: 0, exec: 0 };

  private constructor(folder: string, stop: AbortSignal) {
    this.#folder = folder;
    this.#stop = stop;
  }

  /** Compiles the feeder into the workshop's folder. */
  static async prepare(workshop: Workshop, stop: AbortSignal): Promise<Feeder> {
    const feeder = new Feeder(workshop.folder, stop);
    const source = (name: string) => path.join(import.meta.dirname, name);
    const headers = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
    const bpf = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-I', headers];
    await run('clang', [...bpf, '-c', source('feeder.bpf.c'), '-o', feeder.#path('feeder.bpf.o')]);
    await run('gcc', ['-O2', '-o', feeder.#path('feeder'), source('feeder.c'), '-lbpf']);
    return feeder;
  }

  /** Whether a container is one of those fed. @param id 12 hexadecimal digits */
  isFed(id: string): boolean {
    const number = parseInt(id, 16) + PRESENT;
    return number >= this.#base && number < this.#base + NUMBER_SPACE;
  }

  /** @param pid of the Collector @param rings how many it has */
  async feed(pid: number, rings: number, { kind, count, rate, containers }: Feed): Promise<Fed> {
    const first = this.#fed[kind];
    this.#fed[kind] += count;
    const numbers = [kind, first, count, rate, containers, this.#base].map(String);
    const args = [this.#path('feeder.bpf.o'), String(ringsMap(pid)), String(rings), ...numbers];
    const { stdout } = await run(this.#path('feeder'), args, { signal: this.#stop, killSignal: 'SIGKILL' });
    const [written, lost] = stdout.split(' ').map(Number);
    return { written: written!, lost: lost! };
  }

  #path(name: string): string {
    return path.join(this.#folder, name);
  }
}

/** The number of the map with a Collector's rings. */
function ringsMap(pid: number): number {
  const folder = `/proc/${pid}/fdinfo`;
  for (const fd of readdirSync(folder)) {
    const text = readFileSync(`${folder}/${fd}`, 'utf8');
    const [, type] = /^map_type:\s+(\d+)$/m.exec(text) ?? [];
    const [, id] = /^map_id:\s+(\d+)$/m.exec(text) ?? [];
    if (Number(type) === ARRAY_OF_MAPS && id !== undefined) return Number(id);
  }
  throw new Error('Collector has no map of rings.');
}

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Workshop } from '../bench/workshop.js';
import type { WorkCounts } from './work.js';

/** Starts of processes a second, and as many exits. */
export const PROCESSES_PER_SECOND = 200;
/** Listening ports: Zipf's distribution over so many, with this exponent. */
export const PORTS = 8000;
export const EXPONENT = 1.4;
/** Each of so many draws gives one port; 175 different ones on average. */
export const DRAWS = 1000;
export const REDRAW_SECONDS = 10;
/** The same draws for each build. */
const SEED = 19;
/** A connection has two ends in the container. */
const ENDS = 2;

type Load = ChildProcessByStdio<null, Readable, null>;

/** Both loads, in a container each. */
export class Workloads {
  readonly processes: string;
  readonly ports: string;
  readonly #workshop: Workshop;
  readonly #steady: string;
  readonly #nothing: string;

  private constructor(workshop: Workshop, steady: string, nothing: string) {
    this.#workshop = workshop;
    this.#steady = steady;
    this.#nothing = nothing;
    this.processes = workshop.addContainer();
    this.ports = workshop.addContainer();
  }

  /** Compiles the loads, and makes their containers. */
  static async prepare(workshop: Workshop): Promise<Workloads> {
    const steady = await workshop.compile('steady', '-lm');
    const nothing = await workshop.compile('nothing', '-static', '-nostdlib');
    return new Workloads(workshop, steady, nothing);
  }

  /** Starts both. @returns a function to end them, with their counts; it throws if one has failed */
  start(): () => Promise<WorkCounts> {
    const processes = this.#start(this.processes, 'processes', String(PROCESSES_PER_SECOND), this.#nothing);
    const ports = this.#start(
      this.ports,
      'ports',
      ...[PORTS, EXPONENT, DRAWS, REDRAW_SECONDS, SEED].map(String),
    );
    const outputs = Promise.all([processes, ports].map(outputOf));
    // One that fails earlier is heard of at the stop.
    outputs.catch(() => undefined);
    return async () => {
      for (const load of [processes, ports]) load.kill('SIGTERM');
      const [ofProcesses = '', ofPorts = ''] = await outputs;
      return madeCounts(ofProcesses, ofPorts);
    };
  }

  #start(container: string, ...args: readonly string[]): Load {
    return spawn(this.#steady, [this.#workshop.cgroupOf(container), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      signal: this.#workshop.stop,
      killSignal: 'SIGKILL',
    });
  }
}

/** Reads the counts of the loads from their last lines. */
export function madeCounts(processes: string, ports: string): WorkCounts {
  const [, execs] = /^processes (\d+)$/m.exec(processes) ?? [];
  const [, endpoints] = /^listeners \d+ ports (\d+) connections \d+$/m.exec(ports) ?? [];
  if (execs === undefined || endpoints === undefined)
    throw new Error(`The loads did not say what they made: '${processes.trim()}', '${ports.trim()}'.`);
  return { execs: Number(execs), endpoints: Number(endpoints), connections: Number(endpoints) * ENDS };
}

async function outputOf(load: Load): Promise<string> {
  let text = '';
  load.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const [status] = (await once(load, 'close')) as [number | null];
  if (status !== 0) throw new Error(`${path.basename(load.spawnfile)} ended with ${status}.`);
  return text;
}

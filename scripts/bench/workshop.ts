import { execFile, spawn, type ExecFileException } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { medianOf } from './statistics.js';

/** Work of the load. */
export type Work = 'getpid' | 'tcp' | 'trickle' | 'spawn';

/** Costs of a run of the load: medians over slices of the run, to leave out a burst of other work. */
export interface Measured {
  /** In all of the run. */
  readonly operations: number;
  /** Processor time of one operation, ns: of the load and its children, soft interrupts included. */
  readonly cpu: number;
  /** One operation by the clock, ns: with the waits of the load. */
  readonly elapsed: number;
}

/** Some of the workshop's containers: those that take turns. */
export interface ContainerRange {
  /** Default: 0. */
  readonly first?: number;
  /** Default: 1. */
  readonly count?: number;
}

/** A load to be run, once. */
export interface PreparedLoad {
  readonly run: () => Promise<Measured>;
  readonly end: () => Promise<void>;
}

const ID_BYTES = 32;
const ATTEMPTS = 200;
const ATTEMPT_MS = 10;
const run = promisify(execFile);

/** A folder and containers' cgroups for loads, and the load itself. Everything is gone after `close`. */
export class Workshop {
  readonly folder: string;
  readonly stop: AbortSignal;
  readonly #pod: string;
  readonly #containers: string[] = [];
  /** Of loads that wait for their end. */
  readonly #endings = new Set<() => Promise<void>>();

  /** @param stop kills all processes @param containers how many there are */
  constructor(stop: AbortSignal, containers = 1) {
    this.stop = stop;
    this.#pod = path.join(unifiedHierarchy(), `collector-bench-${process.pid}`);
    for (let count = 0; count < containers; count++) this.addContainer();
    this.folder = mkdtempSync(path.join(tmpdir(), 'collector-bench-'));
  }

  /** Makes one more container's cgroup. @returns the container's id */
  addContainer(): string {
    const id = randomBytes(ID_BYTES).toString('hex');
    mkdirSync(this.cgroupOf(id), { recursive: true });
    this.#containers.push(id);
    return id;
  }

  /** @returns the folder of a container's cgroup */
  cgroupOf(container: string): string {
    return path.join(this.#pod, container);
  }

  /** Compiles the load. */
  async prepare(): Promise<void> {
    await this.compile('load');
    await this.compile('nothing', '-static', '-nostdlib');
  }

  /** Compiles a C file of this folder. @returns path of the program */
  async compile(name: string, ...options: readonly string[]): Promise<string> {
    const program = this.#path(name);
    await this.#run('gcc', ['-O2', '-o', program, path.join(import.meta.dirname, `${name}.c`), ...options]);
    return program;
  }

  /** Runs the load for so long. */
  async load(work: Work, milliseconds: number): Promise<Measured> {
    const args = [this.#cgroupsOf({}), work, String(milliseconds), this.#path('nothing')];
    return measuredIn(await this.#run(this.#path('load'), args));
  }

  /**
   * Makes a process in each container for the load, to take turns; it runs when it is told to.
   * @returns runs it, without its processor time, and ends it
   */
  async prepareLoad(work: Work, milliseconds: number, containers: ContainerRange): Promise<PreparedLoad> {
    const args = [work, String(milliseconds), this.#path('nothing'), 'wait'];
    const { process, ended, end } = await this.#start([this.#cgroupsOf(containers), ...args]);
    const run = async () => {
      let output = '';
      process.stdout.on('data', (text: Buffer) => (output += text.toString()));
      process.stdin.write('\n');
      const isOver = ended.then(() => true);
      while (!output.endsWith('done\n'))
        if (await Promise.race([once(process.stdout, 'data').then(() => false), isOver])) {
          this.stop.throwIfAborted();
          throw new Error(`The load ended before its time: ${work}`);
        }
      return measuredIn(output.replace('done\n', ''));
    };
    return { run, end };
  }

  /**
   * Opens connections in containers, to a peer each outside of them.
   * @param connections an even number @returns closes them
   */
  async hold(connections: number, containers: ContainerRange): Promise<() => Promise<void>> {
    const { end } = await this.#start([this.#cgroupsOf(containers), 'hold', String(connections)]);
    return end;
  }

  /** Starts a load and waits until it is ready. @returns its process, its end, and how to end it */
  async #start(args: readonly string[]) {
    const load = spawn(this.#path('load'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(load, 'close');
    const kill = () => load.kill('SIGKILL');
    const end = async () => {
      this.stop.removeEventListener('abort', kill);
      this.#endings.delete(end);
      load.stdin.end();
      await ended;
    };
    this.stop.addEventListener('abort', kill);
    this.#endings.add(end);
    const isReady = await Promise.race([once(load.stdout, 'data').then(() => true), ended.then(() => false)]);
    this.stop.throwIfAborted();
    if (!isReady) throw new Error(`The load did not get ready: ${args.slice(1).join(' ')}`);
    return { process: load, ended, end };
  }

  /** Ends all processes, and removes everything. */
  async close(): Promise<void> {
    for (const end of this.#endings) await end();
    rmSync(this.folder, { recursive: true });
    // A process just killed is in its cgroup for a little longer.
    for (const cgroup of this.#containers.map((id) => this.cgroupOf(id)))
      for (let attempt = 1; !removeCgroup(cgroup, attempt === ATTEMPTS); attempt++) await sleep(ATTEMPT_MS);
    rmdirSync(this.#pod);
  }

  #cgroupsOf({ first = 0, count = 1 }: ContainerRange): string {
    return this.#containers
      .slice(first, first + count)
      .map((id) => this.cgroupOf(id))
      .join(':');
  }

  #path(name: string): string {
    return path.join(this.folder, name);
  }

  async #run(command: string, args: readonly string[]): Promise<string> {
    try {
      const { stdout } = await run(command, args, { signal: this.stop, killSignal: 'SIGKILL' });
      return stdout;
    } catch (error) {
      this.stop.throwIfAborted();
      const { message, stderr = '' } = error as ExecFileException;
      throw new Error(`${path.basename(command)} failed: ${stderr.trim() || message}`, { cause: error });
    }
  }
}

/** Costs by the output of the load. */
function measuredIn(output: string): Measured {
  const slices = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number) as [operations: number, elapsed: number, cpu: number]);
  return {
    operations: slices.reduce((sum, [operations]) => sum + operations, 0),
    cpu: medianOf(slices.map(([operations, , cpu]) => cpu / operations)),
    elapsed: medianOf(slices.map(([operations, elapsed]) => elapsed / operations)),
  };
}

/** Returns false if it has to be tried again. */
function removeCgroup(cgroup: string, isLast: boolean): boolean {
  const processes = readFileSync(path.join(cgroup, 'cgroup.procs'), 'utf8').split('\n');
  for (const pid of processes.filter(Boolean)) killIfThere(Number(pid));
  try {
    rmdirSync(cgroup);
    return true;
  } catch (error) {
    if (isLast || (error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    return false;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Where cgroup v2 is mounted, alone or beside the hierarchies of v1. */
export function unifiedHierarchy(): string {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const mount = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2');
  if (mount?.[1] === undefined)
    throw new Error('cgroup v2 is not mounted, so there is nowhere to run a container.');
  return mount[1];
}

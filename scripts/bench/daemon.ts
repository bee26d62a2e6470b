import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';

/** Records written by the kernel in a run, by its own count. */
export interface Counts {
  readonly exec: number;
  readonly socket: number;
  readonly lost: number;
}

/** By then the scans of earlier processes and sockets are over, too. */
const READY = /Self-check (passed|failed)/;
const COUNTS = /Kernel events: process_exec (\d+), process_exit \d+, socket_state (\d+)[,;].* lost: (\d+)/;

/** A Collector of its own process, as it is built, with its default settings. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #log = '';

  private constructor(
    bundle: string,
    args: readonly string[],
    stdout: 'ignore' | 'pipe',
    settings: Readonly<Record<string, string>>,
    node: readonly string[],
  ) {
    // Nobody's settings but the defaults: an environment without GRPC_SERVER and its like. Only the servers are where
    // they are in nobody's way.
    const env = {
      PATH: process.env['PATH'],
      ROX_COLLECTOR_HTTP_ADDRESS: '127.0.0.1:0',
      ROX_COLLECTOR_METRICS_ADDRESS: '127.0.0.1:0',
      ...settings,
    };
    this.#child = spawn(process.execPath, [...node, bundle, '--format=json', ...args], {
      env,
      stdio: ['ignore', stdout, 'pipe'],
    });
    this.#exit = once(this.#child, 'close');
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
  }

  /**
   * Starts `dist/collector.js` and waits until it collects.
   * @param stdout `pipe`: the caller has to read `output` @param settings more environment variables
   * @param node arguments of node itself
   */
  static async start(
    bundle: string,
    args: readonly string[] = [],
    stdout: 'ignore' | 'pipe' = 'ignore',
    settings: Readonly<Record<string, string>> = {},
    node: readonly string[] = [],
  ): Promise<Daemon> {
    const daemon = new Daemon(bundle, args, stdout, settings, node);
    const { stderr } = daemon.#child;
    while (!READY.test(daemon.#log)) {
      if (daemon.#hasEnded) throw new Error(`Collector ended before it collected:\n${daemon.#log}`);
      await Promise.race([once(stderr!, 'data'), daemon.#exit]);
    }
    return daemon;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** host:port of its HTTP server. */
  get address(): string {
    return /HTTP server listens on (\S+)/.exec(this.#log)![1]!;
  }

  /** host:port of its server of metrics. */
  get metricsAddress(): string {
    return /Metrics server listens on (\S+)/.exec(this.#log)![1]!;
  }

  /** Its standard output, if it is a pipe. */
  get output(): Readable {
    return this.#child.stdout!;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Processor time of all its threads until now, ns. */
  cpu(): number {
    return readdirSync(this.#proc('task')).reduce((sum, task) => sum + this.#taskCpu(task), 0);
  }

  /** Processor time of its event loop's thread until now, ns. */
  loopCpu(): number {
    return this.#taskCpu(String(this.pid));
  }

  /** Resident memory in MB: now, and at its most. */
  memory(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(this.#proc('status'), 'utf8');
    const megabytes = (key: string) =>
      Number(new RegExp(`^${key}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
    return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
  }

  /** Ends it in good order. */
  async stop(): Promise<Counts> {
    this.#child.kill('SIGTERM');
    await this.#exit;
    const [, exec, socket, lost] = COUNTS.exec(this.#log) ?? [];
    if (lost === undefined) throw new Error(`Collector did not say what it counted:\n${this.#log}`);
    return { exec: Number(exec), socket: Number(socket), lost: Number(lost) };
  }

  /** Ends it if it still runs, in any state. */
  async kill(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
    await this.#exit;
  }

  #taskCpu(task: string): number {
    const [time] = readFileSync(this.#proc(`task/${task}/schedstat`), 'utf8').split(' ');
    return Number(time);
  }

  #proc(file: string): string {
    return `/proc/${this.#child.pid}/${file}`;
  }
}

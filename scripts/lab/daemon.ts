import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Resource } from './resource.js';

/** The daemon as it was built. */
export const DAEMON = path.join(import.meta.dirname, '../../dist/collector.js');

/** Settings of the daemon, not to be decided by the environment here. */
const OURS = /^(ROX_|COLLECTOR_|COLLECTION_METHOD|GRPC_SERVER|SNI_HOSTNAME|NODE_HOSTNAME)/;

/** Settings to let daemons run side by side. */
const NEUTRAL = {
  ROX_COLLECTOR_TERMINATION_LOG: '/dev/null',
  ROX_COLLECTOR_HTTP_ADDRESS: '127.0.0.1:0',
  ROX_COLLECTOR_METRICS_ADDRESS: '127.0.0.1:0',
  ROX_COLLECTOR_SOCKET: '',
};

export interface DaemonOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A command to start the one behind it, such as `setpriv …`. */
  readonly through?: readonly string[];
  /** Descriptors to give it as standard output and error, instead of pipes read at once. */
  readonly output?: number | 'pipe';
  readonly errors?: number | 'pipe';
}

/** The process and its output. */
export class Daemon implements Resource {
  readonly #process: ChildProcess;
  stdout = '';
  stderr = '';
  /** Its exit code, once all of its output is here; null if a signal ended it. */
  readonly ended: Promise<number | null>;

  constructor(
    args: readonly string[],
    { env = {}, through = [], output = 'pipe', errors = 'pipe' }: DaemonOptions,
  ) {
    const [command, ...rest] = [...through, process.execPath, DAEMON, ...args] as [string, ...string[]];
    const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
    this.#process = spawn(command, rest, {
      env: { ...Object.fromEntries(inherited), ...NEUTRAL, ...env },
      stdio: ['ignore', output, errors],
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(this.#process, 'close').then(([code]) => code as number | null);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  closeOutput(): void {
    this.#process.stdout!.destroy();
  }

  signal(name: NodeJS.Signals): void {
    if (this.isRunning) this.#process.kill(name);
  }

  async remove(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}

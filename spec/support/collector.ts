import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon, type DaemonOptions } from '../../scripts/lab/daemon.js';
import { Container } from './container.js';
import { eventually } from './eventually.js';
import type { Connection, Endpoint, Message, ProcessSignal } from './messages.js';
import type { Resource } from './resources.js';
import type { TestSensor } from './sensor.js';
import { workload } from './workload.js';

const KNOCK = 'knock';
const KNOCK_INTERVAL_MS = 50;
const GRACE_MS = 5000;
const PATIENCE_MS = 15_000;

export { Daemon, DAEMON } from '../../scripts/lab/daemon.js';

export interface Options extends DaemonOptions {
  /** Where its messages go, if not to standard output. */
  readonly sensor?: TestSensor;
}

/** What a daemon that came to its own end left behind. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the daemon until it ends by itself, which it has to within `patience` ms. */
export async function runToEnd(
  args: readonly string[],
  options: Options = {},
  patience = PATIENCE_MS,
): Promise<Ended> {
  const daemon = new Daemon(args, options);
  const killer = setTimeout(() => daemon.signal('SIGKILL'), patience);
  const code = await daemon.ended;
  clearTimeout(killer);
  return { code, stdout: daemon.stdout, stderr: daemon.stderr };
}

/** A daemon that collects. */
export class Collector implements Resource {
  readonly #daemon: Daemon;
  readonly #sensor: TestSensor | undefined;
  /** The messages in the lines up to `#parsed` of the output. */
  readonly #messages: Message[] = [];
  #parsed = 0;

  private constructor(daemon: Daemon, sensor: TestSensor | undefined) {
    this.#daemon = daemon;
    this.#sensor = sensor;
  }

  /**
   * Starts the daemon and waits until it collects: until it reports a process in a container made for this.
   */
  static async start(args: readonly string[], options: Options = {}): Promise<Collector> {
    const { sensor } = options;
    const address = sensor === undefined ? [] : [`--grpc-server=${sensor.address}`];
    const collector = new Collector(new Daemon([...address, ...args], options), sensor);
    const container = await Container.create();
    try {
      const isHeard = () =>
        sensor === undefined
          ? collector.lines.some((line) => line.includes(KNOCK) && line.includes(container.shortId))
          : sensor.signals.some(({ containerId }) => containerId === container.shortId);
      while (!isHeard()) {
        assert.ok(collector.#daemon.isRunning, `The daemon has ended:\n${collector.stderr}`);
        await container.run('exec', workload(), 'exit', KNOCK);
        await sleep(KNOCK_INTERVAL_MS);
      }
    } catch (error) {
      await collector.remove();
      throw error;
    } finally {
      await container.remove();
    }
    return collector;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  get stdout(): string {
    return this.#daemon.stdout;
  }

  get stderr(): string {
    return this.#daemon.stderr;
  }

  /** host:port where it serves, as its log says; `what` is the server's name there. */
  address(what: 'HTTP' | 'Metrics'): string {
    const [, address] = new RegExp(`${what} server listens on (\\S+)`).exec(this.stderr) ?? [];
    assert.ok(address !== undefined, `The log says where it serves:\n${this.stderr}`);
    return address;
  }

  /** Whole lines of standard output so far. */
  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  get messages(): readonly Message[] {
    if (this.#sensor !== undefined)
      return [...this.#sensor.messages('signals'), ...this.#sensor.messages('network')];
    const end = this.stdout.lastIndexOf('\n') + 1;
    if (end > this.#parsed) {
      for (const line of this.stdout.slice(this.#parsed, end - 1).split('\n'))
        this.#messages.push(JSON.parse(line) as Message);
      this.#parsed = end;
    }
    return this.#messages;
  }

  /** Signals of a container's processes; of the host's for an empty id. */
  signals(containerId: string): ProcessSignal[] {
    return this.messages
      .flatMap(({ signal }) => signal?.processSignal ?? [])
      .filter((signal) => (signal.containerId ?? '') === containerId);
  }

  connections(containerId: string): Connection[] {
    return this.messages
      .flatMap(({ info }) => info?.updatedConnections ?? [])
      .filter((connection) => connection.containerId === containerId);
  }

  endpoints(containerId: string): Endpoint[] {
    return this.messages
      .flatMap(({ info }) => info?.updatedEndpoints ?? [])
      .filter((endpoint) => endpoint.containerId === containerId);
  }

  /** Waits until messages show what `look` looks for; `what` is asked only after waiting in vain. */
  async shows<T>(what: () => string, look: () => T | undefined | false): Promise<T> {
    return eventually(look, () => `${what()}; standard error ends with:\n${this.stderr.slice(-500)}`);
  }

  /** The signal of a container's exec with these arguments. */
  async signal(containerId: string, args: string): Promise<ProcessSignal> {
    const signals = () => this.signals(containerId);
    return this.shows(
      () => `a process with the arguments "${args}", among ${JSON.stringify(signals())}`,
      () => signals().find((signal) => signal.args === args),
    );
  }

  /** Ends it as Kubernetes does, or as a terminal, and asserts that it ends well. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#daemon.signal(signal);
    await this.endsWell();
  }

  /** Nobody reads its output any more, as in `… | head`. */
  hangUp(): void {
    this.#daemon.closeOutput();
  }

  /** Asserts that it ends well, and within the grace period. */
  async endsWell(): Promise<void> {
    const start = performance.now();
    assert.equal(await this.#daemon.ended, 0, this.stderr);
    assert.ok(performance.now() - start < GRACE_MS, 'it ends in time');
  }

  async remove(): Promise<void> {
    await this.#daemon.remove();
  }
}

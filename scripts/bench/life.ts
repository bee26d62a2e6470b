import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SensorDouble, type SensorEvent } from '../sensor/double.js';
import { makeIdentities, readIdentity, type IdentityFolders } from '../sensor/identity.js';
import { Daemon } from './daemon.js';
import { unifiedHierarchy } from './workshop.js';

/** From the self-check on, until the streams to Sensor are open and the scans of the start are over. */
const START_MS = 2500;
/** After a window, until Collector sleeps again. */
const SETTLE_MS = 500;
/** Longest wait for the signals of a window. */
const PATIENCE_MS = 20_000;
const POLL_MS = 10;
const NS_PER_US = 1e3;
const NS_PER_MS = 1e6;
/** Digits of a container's id chosen by the starter of the load. */
const PREFIX_DIGITS = 6;

const scripts = path.dirname(import.meta.dirname);
const run = promisify(execFile);

/** Processor time of one exec in a window, µs. */
export interface ExecCost {
  /** Of the thread with the event loop. */
  readonly loop: number;
  /** Of all others, V8's compiler and garbage collector among them. */
  readonly others: number;
}

/** The young days of one Collector. */
export interface Life {
  /** Processor time before the first exec, ms. */
  readonly start: number;
  /** In their order. */
  readonly windows: readonly ExecCost[];
  /** Resident memory at its most, MB. */
  readonly memory: number;
}

export interface LifePlan {
  readonly windows: number;
  /** Execs in a window. */
  readonly execs: number;
  /** Arguments of node. */
  readonly node: readonly string[];
  /** Plain text instead of mutual TLS. */
  readonly isPlain: boolean;
}

/** A folder with the load, identities for TLS, and a cgroup for containers. Everything is gone after `close`. */
export class Nursery {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'collector-young-'));
  readonly #pod = path.join(unifiedHierarchy(), `collector-young-${process.pid}`);
  #identities: IdentityFolders | undefined;

  async prepare(): Promise<void> {
    mkdirSync(this.#pod);
    this.#compile('lifetimes', 'soak/lifetimes.c');
    this.#compile('nothing', 'bench/nothing.c', '-static', '-nostdlib');
    this.#identities = await makeIdentities(this.#folder);
  }

  /**
   * Starts a Collector with a Sensor, and runs windows of distinct execs, each in a container of its own.
   * @throws Error if not all signals of a window arrive
   */
  async live(bundle: string, { windows, execs, node, isPlain }: LifePlan): Promise<Life> {
    const { server, client } = this.#identities!;
    let received = 0;
    const sensor = await SensorDouble.start({
      ...(!isPlain && { tls: readIdentity(server) }),
      keep: 0,
      onEvent: (event) => void (received += Number(isSignal(event))),
    });
    let daemon: Daemon | undefined;
    try {
      daemon = await Daemon.start(
        bundle,
        [],
        'ignore',
        {
          GRPC_SERVER: sensor.address,
          ...(!isPlain && { ROX_COLLECTOR_TLS_CERTS: client, SNI_HOSTNAME: 'sensor.stackrox.svc' }),
        },
        node,
      );
      await delay(START_MS);
      const start = daemon.cpu() / NS_PER_MS;
      const costs: ExecCost[] = [];
      while (costs.length < windows) {
        const [all, loop] = [daemon.cpu(), daemon.loopCpu()];
        const wanted = received + execs;
        await this.#load(costs.length, execs);
        const end = performance.now() + PATIENCE_MS;
        while (received < wanted) {
          if (performance.now() > end)
            throw new Error(`Sensor got ${received - wanted + execs} of ${execs} signals.`);
          await delay(POLL_MS);
        }
        await delay(SETTLE_MS);
        const ofLoop = daemon.loopCpu() - loop;
        const each = (ns: number) => ns / execs / NS_PER_US;
        costs.push({ loop: each(ofLoop), others: each(daemon.cpu() - all - ofLoop) });
      }
      const { peak } = daemon.memory();
      await daemon.stop();
      return { start, windows: costs, memory: peak };
    } finally {
      await daemon?.kill();
      await sensor.stop();
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
    // The load removes its containers.
    for (const entry of readdirSync(this.#pod, { withFileTypes: true }))
      if (entry.isDirectory()) rmdirSync(path.join(this.#pod, entry.name));
    rmdirSync(this.#pod);
  }

  /** Runs a window. Another container makes all its execs distinct from the earlier ones. */
  async #load(window: number, execs: number): Promise<void> {
    const prefix = window.toString(16).padStart(PREFIX_DIGITS, '0');
    await run(this.#path('lifetimes'), [this.#pod, prefix, '1', String(execs), this.#path('nothing')]);
  }

  #compile(name: string, source: string, ...options: readonly string[]): void {
    execFileSync('gcc', ['-O2', '-o', this.#path(name), path.join(scripts, source), ...options]);
  }

  #path(name: string): string {
    return path.join(this.#folder, name);
  }
}

function isSignal(event: SensorEvent): boolean {
  return 'message' in event && event.stream === 'signals' && 'signal' in event.message;
}

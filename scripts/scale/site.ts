import { existsSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon, type Counts } from '../bench/daemon.js';
import type { ContainerRange, Work, Workshop } from '../bench/workshop.js';
import { SensorDouble, type SensorEvent } from '../sensor/double.js';
import type { Fed, Feed, Feeder } from './feeder.js';
import { preload } from './preload.js';
import { TickClock } from './tick-clock.js';

/** What all parts of the measurement work with. */
export interface Bench {
  readonly workshop: Workshop;
  readonly feeder: Feeder;
  /** Folder of the build. */
  readonly dist: string;
  readonly stop: AbortSignal;
}

export interface SiteOptions {
  /** Possible CPUs to simulate; default: those of the machine. */
  readonly cpus?: number;
  /** Seconds between two ticks; default: Collector's own. */
  readonly interval?: number;
}

/** After a load, until Collector has taken everything in: it comes by every 100 ms. */
const SETTLE_MS = 400;
const POLL_MS = 50;
/** Most wait for a file of the Collector's, or for what Sensor is still to get, ms. */
const PATIENCE_MS = 60_000;
const NS_PER_MS = 1e6;
/** The timer that sees how long the loop is held, ms. */
const TIMER_MS = 1;

/** A Collector, as it is built, and its Sensor, a double in this process. */
export class Site {
  readonly daemon: Daemon;
  readonly #bench: Bench;
  readonly #double: SensorDouble;
  readonly #rings: number;
  readonly #holds: string;
  /** Signals of fed processes that Sensor got. */
  signals = 0;

  private constructor(bench: Bench, daemon: Daemon, double: SensorDouble, rings: number, holds: string) {
    this.#bench = bench;
    this.daemon = daemon;
    this.#double = double;
    this.#rings = rings;
    this.#holds = holds;
  }

  static async open(bench: Bench, { cpus, interval }: SiteOptions = {}): Promise<Site> {
    const { workshop, dist } = bench;
    let site: Site | undefined;
    const double = await SensorDouble.start({ keep: 0, onEvent: (event) => site?.count(event) });
    const holds = path.join(workshop.folder, 'longest-hold');
    try {
      const daemon = await Daemon.start(path.join(dist, 'collector.js'), [], 'ignore', {
        GRPC_SERVER: double.address,
        ...preload(workshop.folder, path.join(dist, 'collector.node'), {
          holds,
          ...(cpus !== undefined && { cpus }),
        }),
        ...(interval !== undefined && { ROX_COLLECTOR_SCRAPE_INTERVAL: String(interval) }),
      });
      site = new Site(bench, daemon, double, cpus ?? os.cpus().length, holds);
    } catch (error) {
      await double.stop();
      throw error;
    }
    return site;
  }

  /** A site for as long as an action takes. */
  static async during<T>(bench: Bench, options: SiteOptions, action: (site: Site) => Promise<T>): Promise<T> {
    const site = await Site.open(bench, options);
    try {
      return await action(site);
    } finally {
      await site.daemon.kill();
      await site.#double.stop();
    }
  }

  async feed(feed: Feed): Promise<Fed> {
    return this.#bench.feeder.feed(this.daemon.pid, this.#rings, feed);
  }

  /** Processor time taken by Collector for work until it has taken everything in, ms for 1,000 operations. */
  async costOf(work: () => Promise<number>): Promise<number> {
    await this.pause(SETTLE_MS);
    const before = this.daemon.cpu();
    const operations = await work();
    await this.pause(SETTLE_MS);
    return ((this.daemon.cpu() - before) / NS_PER_MS / operations) * 1000;
  }

  /**
   * The same of real processes or sockets, without those that make them.
   * @param containers in turns; several ranges of them at once
   */
  async costOfLoad(
    work: Work,
    milliseconds: number,
    ...containers: readonly ContainerRange[]
  ): Promise<number> {
    const { workshop } = this.#bench;
    const ranges = containers.length === 0 ? [{}] : containers;
    const loads = await Promise.all(ranges.map((range) => workshop.prepareLoad(work, milliseconds, range)));
    const cost = await this.costOf(async () => {
      const measured = await Promise.all(loads.map((load) => load.run()));
      return measured.reduce((sum, { operations }) => sum + operations, 0);
    });
    await Promise.all(loads.map((load) => load.end()));
    return cost;
  }

  /** Share of a processor taken in this time. */
  async shareDuring(milliseconds: number): Promise<number> {
    const [before, start] = [this.daemon.cpu(), performance.now()];
    await this.pause(milliseconds);
    return (this.daemon.cpu() - before) / NS_PER_MS / (performance.now() - start);
  }

  /** Longest hold of the event loop during an action, ms by the clock. */
  async longestHold(action: () => Promise<unknown>): Promise<number> {
    rmSync(this.#holds, { force: true });
    process.kill(this.daemon.pid, 'SIGUSR2');
    await action();
    process.kill(this.daemon.pid, 'SIGUSR2');
    await this.until('Collector has said how long its loop was held', () => existsSync(this.#holds));
    await this.pause(POLL_MS);
    return Number(readFileSync(this.#holds, 'utf8')) / NS_PER_MS - TIMER_MS;
  }

  /** Sum of a metric's samples, of all its labels that match. */
  async metric(name: string, labels = /^/): Promise<number> {
    const response = await fetch(`http://${this.daemon.metricsAddress}/metrics`, {
      signal: this.#bench.stop,
    });
    const text = await response.text();
    return [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)]
      .filter(([, of, given = '']) => of === name && labels.test(given))
      .reduce((sum, [, , , value]) => sum + Number(value), 0);
  }

  /** Waits for the next tick. @param interval seconds between two */
  async ticks(interval: number): Promise<TickClock> {
    const count = async () => this.metric('collector_tick_duration_seconds_count');
    const before = await count();
    await this.until('a tick', async () => (await count()) > before, interval * 1000 + PATIENCE_MS);
    return new TickClock(interval, this.#bench.stop);
  }

  /** @throws Error after a wait in vain, ms */
  async until(
    what: string,
    isThere: () => boolean | Promise<boolean>,
    patience = PATIENCE_MS,
  ): Promise<void> {
    if (!(await this.comes(isThere, patience)))
      throw new Error(`Waited ${patience / 1000} s in vain until ${what}.`);
  }

  /** Waits, ms at most. @returns whether it has come */
  async comes(isThere: () => boolean | Promise<boolean>, patience = PATIENCE_MS): Promise<boolean> {
    const end = performance.now() + patience;
    while (!(await isThere())) {
      if (performance.now() > end) return false;
      await this.pause(POLL_MS);
    }
    return true;
  }

  async pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#bench.stop });
  }

  /** Ends Collector in good order. */
  async stop(): Promise<Counts> {
    return this.daemon.stop();
  }

  /** Counts a message to Sensor, if it is a signal of a fed process: the machine may have containers of others. */
  count(event: SensorEvent): void {
    if (!('message' in event)) return;
    const { signal } = event.message as { signal?: { processSignal?: { containerId?: string } } };
    const container = signal?.processSignal?.containerId;
    if (container !== undefined && this.#bench.feeder.isFed(container)) this.signals++;
  }
}

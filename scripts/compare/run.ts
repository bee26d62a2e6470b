import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../bench/daemon.js';
import { SensorDouble } from '../sensor/double.js';
import { Delivered } from './delivered.js';
import type { Progress } from '../progress.js';
import type { WorkCounts } from './work.js';
import type { Workloads } from './workloads.js';

/** A build of Collector to measure. */
export interface Build {
  readonly name: string;
  /** Path of its collector.js. */
  readonly bundle: string;
  /** For its Node, as in NODE_OPTIONS. */
  readonly nodeOptions?: string;
}

/** A life of a build under load. */
export interface Run {
  /** In each second, percent of a core. */
  readonly cpu: readonly number[];
  /** Resident, at the end of each second, MiB. */
  readonly memory: readonly number[];
  /** By the loads, from their start. */
  readonly made: WorkCounts;
  /** In messages to Sensor. */
  readonly delivered: WorkCounts;
  /** Records lost by the kernel's side, as Collector says at its end. */
  readonly lost: number;
}

/** Seconds of a run. */
export interface Plan {
  /** Before the measured ones: until V8 has compiled most of Collector. */
  readonly warmUp: number;
  readonly seconds: number;
}

const SECOND_MS = 1000;
/** Of start and end together, for the time left. */
const OVERHEAD_SECONDS = 4;
/** After the loads, until Collector has taken everything in: it comes by every 100 ms. */
const SETTLE_MS = 500;
const FULL_WARM_UP = 20;
/** With less, a short run would measure V8's compiler. */
const LEAST_WARM_UP = 10;

/** @param seconds to measure */
export function planOf(seconds: number): Plan {
  return { warmUp: Math.min(FULL_WARM_UP, Math.max(LEAST_WARM_UP, Math.round(seconds / 3))), seconds };
}

/** @returns the duration of a run, seconds */
export function durationOf({ warmUp, seconds }: Plan): number {
  return warmUp + seconds + OVERHEAD_SECONDS;
}

/** Runs a build with a Sensor under both loads. @param stop ends it early, with an error */
export async function measureRun(
  build: Build,
  workloads: Workloads,
  plan: Plan,
  progress: Progress,
  stop: AbortSignal,
): Promise<Run> {
  const delivered = new Delivered(workloads.processes, workloads.ports);
  const sensor = await SensorDouble.start({ keep: 0, onEvent: (event) => delivered.take(event) });
  let daemon: Daemon | undefined;
  try {
    daemon = await Daemon.start(build.bundle, [`--grpc-server=${sensor.address}`], 'ignore', {
      ...(build.nodeOptions !== undefined && { NODE_OPTIONS: build.nodeOptions }),
    });
    const stopLoads = workloads.start();
    try {
      await sleep(plan.warmUp * SECOND_MS, undefined, { signal: stop });
      const samples = await sample(daemon, plan.seconds, progress, stop);
      const made = await stopLoads();
      await sleep(SETTLE_MS, undefined, { signal: stop });
      // Its last report has the latest endpoints and connections.
      const { lost } = await daemon.stop();
      return { ...samples, made, delivered: delivered.counts, lost };
    } finally {
      await stopLoads().catch(() => undefined);
    }
  } finally {
    await daemon?.kill();
    await sensor.stop();
  }
}

async function sample(
  daemon: Daemon,
  seconds: number,
  progress: Progress,
  stop: AbortSignal,
): Promise<Pick<Run, 'cpu' | 'memory'>> {
  const cpu: number[] = [];
  const memory: number[] = [];
  const start = performance.now();
  let [time, used] = [start, daemon.cpu()];
  while (cpu.length < seconds) {
    await sleep(start + (cpu.length + 1) * SECOND_MS - performance.now(), undefined, { signal: stop });
    const [timeNow, usedNow] = [performance.now(), daemon.cpu()];
    // A thread that ends takes its time with it.
    cpu.push(Math.max(0, ((usedNow - used) / 1e6 / (timeNow - time)) * 100));
    memory.push(daemon.memory().now);
    [time, used] = [timeNow, usedNow];
    progress.show();
  }
  return { cpu, memory };
}

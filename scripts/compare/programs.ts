/**
 * Compares the BPF programs of two builds, and their cost of an operation. Both watch the same load at the same time,
 * so other work of the machine slows both. They live twice: the one started first runs its programs first at each
 * event, and the second finds caches warm. The kernel measures its programs, at the same cost to either.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../bench/daemon.js';
import { compared, type Figure } from '../bench/figures.js';
import { Workshop } from '../bench/workshop.js';

/** Runs of each load in a life. */
const RUNS = 8;
const LOAD_MS = 1500;
/** Until V8 has compiled the code for the load, and compiled it again after the first report. */
const WARM_UP_MS = 20_000;
/** After a load, until both have taken everything in. */
const SETTLE_MS = 400;
const STATISTICS = '/proc/sys/kernel/bpf_stats_enabled';
const works = { tcp: 'a connection', spawn: 'a process' } as const;

interface DaemonCost {
  /** In BPF programs, ns. */
  readonly kernel: number;
  /** Processor time of Collector itself, ns. */
  readonly collector: number;
}
type Costs = Readonly<Record<keyof typeof works, DaemonCost>>;

/** Takes some four minutes. @param bundles collector.js of the other build and of this one @param stop ends it early */
export async function comparePrograms(
  bundles: readonly [other: string, own: string],
  stop: AbortSignal,
): Promise<Figure[]> {
  const before = readFileSync(STATISTICS, 'utf8');
  const workshop = new Workshop(stop);
  try {
    writeFileSync(STATISTICS, '1');
    await workshop.prepare();
    const first = await life(workshop, bundles);
    const second = await life(workshop, bundles.toReversed());
    // Each run with the one of the other life: the first build in one is the second in the other.
    const pairs = first.map(([other, own], run) => {
      const [ownToo, otherToo] = second[run]!;
      return [mean(other, otherToo), mean(own, ownToo)] as const;
    });
    return Object.entries(works).flatMap(([work, name]) =>
      (['kernel', 'collector'] as const).map((where) =>
        compared(
          `${where === 'kernel' ? 'programs' : 'Collector'}: ${name}`,
          'ns',
          pairs.map((pair) => pair.map((costs) => costs[work as keyof Costs][where]) as [number, number]),
        ),
      ),
    );
  } finally {
    writeFileSync(STATISTICS, before);
    await workshop.close();
  }
}

/** The mean of two runs. */
function mean(one: Costs, two: Costs): Costs {
  const of = (work: keyof Costs): DaemonCost => ({
    kernel: (one[work].kernel + two[work].kernel) / 2,
    collector: (one[work].collector + two[work].collector) / 2,
  });
  return { tcp: of('tcp'), spawn: of('spawn') };
}

/** The costs of both in each run, in the order of `bundles`. */
async function life(workshop: Workshop, bundles: readonly string[]): Promise<(readonly [Costs, Costs])[]> {
  const daemons: Daemon[] = [];
  const runs: (readonly [Costs, Costs])[] = [];
  try {
    for (const bundle of bundles) daemons.push(await Daemon.start(bundle));
    for (const work of Object.keys(works)) await workshop.load(work as keyof Costs, WARM_UP_MS);
    while (runs.length < RUNS) {
      console.error(`run ${runs.length + 1} of ${RUNS}`);
      const [tcp, spawn] = [await costs(workshop, daemons, 'tcp'), await costs(workshop, daemons, 'spawn')];
      runs.push([
        { tcp: tcp[0]!, spawn: spawn[0]! },
        { tcp: tcp[1]!, spawn: spawn[1]! },
      ]);
    }
    return runs;
  } finally {
    for (const daemon of daemons) await daemon.kill();
  }
}

/** Costs of one operation of a load to each of them. */
async function costs(
  workshop: Workshop,
  daemons: readonly Daemon[],
  work: keyof Costs,
): Promise<DaemonCost[]> {
  await sleep(SETTLE_MS);
  const before = daemons.map((daemon) => ({ kernel: runTime(daemon.pid), collector: daemon.cpu() }));
  const { operations } = await workshop.load(work, LOAD_MS);
  await sleep(SETTLE_MS);
  return daemons.map((daemon, at) => ({
    kernel: (runTime(daemon.pid) - before[at]!.kernel) / operations,
    collector: (daemon.cpu() - before[at]!.collector) / operations,
  }));
}

/** Run time of all BPF programs held by a process, ns. */
function runTime(pid: number): number {
  const folder = `/proc/${pid}/fdinfo`;
  const programs = new Map<string, number>();
  for (const fd of readdirSync(folder)) {
    const text = readFileSync(`${folder}/${fd}`, 'utf8');
    const [, id] = /^prog_id:\s+(\d+)$/m.exec(text) ?? [];
    const [, time] = /^run_time_ns:\s+(\d+)$/m.exec(text) ?? [];
    if (id !== undefined && time !== undefined) programs.set(id, Number(time));
  }
  return [...programs.values()].reduce((sum, time) => sum + time, 0);
}

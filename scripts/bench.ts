/**
 * Measures Collector's costs: `npm run bench`, or `npm run bench -- [--quick] [--json]`. Needs root, gcc and the output
 * of `npm run build`. With `--quick` there is no time to wait for the compiler of JavaScript or for Collector to become
 * idle: the load's ratios are rough, Collector's own figures too high, and the one of an idle Collector is left out.
 *
 * The same load runs without Collector and with it in turn: a pair of runs has the same neighbours on a noisy machine,
 * and the ratio is taken pair by pair. Processor time counts: other work on the machine changes it little, while it
 * doubles the time by a clock. (Where the kernel is built with IRQ_TIME_ACCOUNTING, soft interrupts are in nobody's
 * processor time; look at the clock there, on a quiet machine.)
 *
 * Nothing is pinned to a processor. Pinned to the same one, load and Collector would only take turns; pinned apart, the
 * scheduler could no longer move either of them out of the way of the machine's other work.
 */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Daemon, type Counts } from './bench/daemon.js';
import { compared, own, table, type Figure } from './bench/figures.js';
import { factLogFigures } from './bench/fact-log.js';
import { connectionFigures, processFigures } from './bench/fold.js';
import { kernelFigures } from './bench/kernel.js';
import { profileFigures } from './bench/profile.js';
import { medianOf } from './bench/statistics.js';
import { Workshop, type Measured, type Work } from './bench/workshop.js';

/** How long things take, ms, and how many pairs there are. */
interface Plan {
  readonly pairs: number;
  readonly load: number;
  /** Until most of Collector's code is compiled. */
  readonly warmUp: number;
  /**
   * Until all of it is compiled for good. This happens once in a life of weeks: a record is measured after that, and
   * so many times. In the seconds before, V8's threads take as much as the records do. The first report, 30 s after
   * the start, is before: it shows V8 facts of a new form, and so makes it compile once more.
   */
  readonly lastingWarmUp: number;
  readonly lasting: number;
  /** Measured of an idle Collector, if at all; has one of its report ticks in it. */
  readonly idle?: number;
  readonly recording: number;
  readonly fold: number;
}

const plans = {
  full: {
    pairs: 6,
    load: 1000,
    warmUp: 5000,
    lastingWarmUp: 40_000,
    lasting: 15,
    idle: 20_000,
    recording: 500,
    fold: 2000,
  },
  quick: { pairs: 3, load: 300, warmUp: 500, lastingWarmUp: 1000, lasting: 1, recording: 200, fold: 500 },
} satisfies Record<string, Plan>;

const works = ['getpid', 'tcp', 'spawn'] as const;
/** An open and a close at either end of a connection. */
const RECORDS_PER_CONNECTION = 4;
/** After a load, until Collector has taken everything in: it comes by every 100 ms. */
const SETTLE_MS = 400;
/** Until V8 has thrown away the memory of the start, some seconds after it. */
const TIDY_MS = 13_000;

/** One time through all kinds of load. */
type Round = Readonly<Record<(typeof works)[number], Measured>>;

/** A round with Collector, and its cost to Collector. */
interface Watched {
  readonly round: Round;
  /** Share of a processor taken by Collector for 100 connections a second. */
  readonly trickle: number;
  readonly memory: { readonly now: number; readonly peak: number };
  readonly counts: Counts;
}

const root = path.dirname(import.meta.dirname);
const bundle = path.join(root, 'dist/collector.js');
const addon = path.join(root, 'dist/collector.node');

try {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });
  const figures = await bench(values.quick === true ? plans.quick : plans.full);
  const machine = { kernel: os.release(), cpus: os.cpus().length, node: process.version };
  console.log(values.json === true ? JSON.stringify({ machine, figures }, null, 2) : table(figures));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function bench(plan: Plan): Promise<Figure[]> {
  if (process.getuid?.() !== 0)
    throw new Error('The benchmark loads BPF programs and makes a cgroup: run it as root.');
  for (const file of [bundle, addon])
    if (!existsSync(file)) throw new Error(`${file} is missing: npm run build.`);

  const stop = new AbortController();
  const interrupted = () => stop.abort(new Error('Interrupted.'));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const workshop = new Workshop(stop.signal);
  try {
    await workshop.prepare();
    const pairs: (readonly [Round, Watched])[] = [];
    while (pairs.length < plan.pairs) {
      say(`pair ${pairs.length + 1} of ${plan.pairs}`);
      const watched = await watchedRound(workshop, plan, stop.signal);
      pairs.push([await round(workshop, plan.load), watched]);
    }
    say('records in the long run');
    const lasting = await lastingFigures(workshop, plan, stop.signal);
    say('kernel programs');
    const kernel = await kernelFigures(workshop, addon, plan.load);
    say('folds');
    const recording = await record(workshop, 'tcp', plan);
    const connections = connectionFigures(recording, plan.fold);
    const processes = processFigures(await record(workshop, 'spawn', plan), plan.fold);
    say('profiles');
    const profiles = await profileFigures(recording, plan);
    say('log of facts');
    const factLog = factLogFigures(recording, plan);
    const idle = plan.idle === undefined ? [] : [await idleFigure(plan.idle, stop.signal)];
    const folds = [...connections, ...processes, ...profiles, ...factLog];
    return [...loadFigures(pairs), ...daemonFigures(pairs), ...lasting, ...idle, ...kernel, ...folds];
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await workshop.close();
  }
}

/** Right after a round with Collector, and the other way round: the most variable figures are nearest to their like. */
async function round(workshop: Workshop, milliseconds: number): Promise<Round> {
  const spawn = await workshop.load('spawn', milliseconds);
  const tcp = await workshop.load('tcp', milliseconds);
  const getpid = await workshop.load('getpid', milliseconds);
  return { getpid, tcp, spawn };
}

async function watchedRound(workshop: Workshop, plan: Plan, stop: AbortSignal): Promise<Watched> {
  return withDaemon([], async (daemon) => {
    await workshop.load('tcp', plan.warmUp);
    await workshop.load('spawn', plan.warmUp);
    const watched = (work: Work) => watchedLoad(workshop, daemon, work, plan.load, stop);
    const getpid = await workshop.load('getpid', plan.load);
    const tcp = await watched('tcp');
    const trickle = await watched('trickle');
    const spawn = await watched('spawn');
    const memory = daemon.memory();
    const counts = await daemon.stop();
    const records = tcp.measured.operations * RECORDS_PER_CONNECTION;
    const processes = spawn.measured.operations;
    // More than these is as it should be: there were the warm-ups, and maybe other containers.
    if (counts.socket + counts.lost < records || counts.exec + counts.lost < processes) {
      throw new Error(
        `Collector did not see the load: ${counts.socket} of ${records} TCP records, ` +
          `${counts.exec} of ${processes} processes.`,
      );
    }
    return {
      round: { getpid, tcp: tcp.measured, spawn: spawn.measured },
      trickle: trickle.cpu / (trickle.measured.operations * trickle.measured.elapsed),
      memory,
      counts,
    };
  });
}

/** Runs a load. Its own cost, and Collector's until everything is taken in, ns of processor time. */
async function watchedLoad(
  workshop: Workshop,
  daemon: Daemon,
  work: Work,
  milliseconds: number,
  stop: AbortSignal,
): Promise<{ readonly measured: Measured; readonly cpu: number }> {
  await sleep(SETTLE_MS, undefined, { signal: stop });
  const before = daemon.cpu();
  const measured = await workshop.load(work, milliseconds);
  await sleep(SETTLE_MS, undefined, { signal: stop });
  return { measured, cpu: daemon.cpu() - before };
}

/** Costs of a record and a process to a long-running Collector: all its threads, from the ring to the output. */
async function lastingFigures(workshop: Workshop, plan: Plan, stop: AbortSignal): Promise<Figure[]> {
  return withDaemon([], async (daemon) => {
    const costs = async (work: Work, recordsOfOne: number) => {
      await workshop.load(work, plan.lastingWarmUp);
      const times: number[] = [];
      while (times.length < plan.lasting) {
        const { measured, cpu } = await watchedLoad(workshop, daemon, work, plan.load, stop);
        times.push(cpu / (measured.operations * recordsOfOne));
      }
      return times;
    };
    const ofRecord = await costs('tcp', RECORDS_PER_CONNECTION);
    const ofProcess = await costs('spawn', 1);
    await daemon.stop();
    return [
      own('Collector: processor time for a TCP record', 'ns', medianOf(ofRecord), 200),
      own('Collector: the same at its least', 'ns', Math.min(...ofRecord)),
      own('Collector: processor time for a process', 'ns', medianOf(ofProcess)),
    ];
  });
}

/** The share of a processor taken by Collector while no container does anything. */
async function idleFigure(milliseconds: number, stop: AbortSignal): Promise<Figure> {
  say('idle');
  return withDaemon([], async (daemon) => {
    await sleep(TIDY_MS, undefined, { signal: stop });
    const before = daemon.cpu();
    const start = performance.now();
    await sleep(milliseconds, undefined, { signal: stop });
    const share = (daemon.cpu() - before) / ((performance.now() - start) * 1e6);
    const { exec, socket } = await daemon.stop();
    const records = exec + socket;
    if (records === 0) return own('Collector: idle', '%', share * 100, 0.2);
    return own(`Collector: not idle, ${records} records of other containers`, '%', share * 100);
  });
}

/** A recording of the load. */
async function record(workshop: Workshop, work: Work, plan: Plan): Promise<string> {
  const file = path.join(workshop.folder, `${work}.recording`);
  return withDaemon([`--record=${file}`], async (daemon) => {
    await workshop.load(work, plan.recording);
    await daemon.stop();
    return file;
  });
}

async function withDaemon<T>(args: readonly string[], action: (daemon: Daemon) => Promise<T>): Promise<T> {
  const daemon = await Daemon.start(bundle, args);
  try {
    return await action(daemon);
  } finally {
    await daemon.kill();
  }
}

function loadFigures(pairs: readonly (readonly [Round, Watched])[]): Figure[] {
  const titles = {
    getpid: 'system call (getpid)',
    tcp: 'TCP connect, accept, close',
    spawn: 'spawn, exec, wait',
  };
  const units = { getpid: ['ns', 1], tcp: ['µs', 1e3], spawn: ['µs', 1e3] } as const;
  const targets = { getpid: 0, tcp: 0.15, spawn: 0.08 };
  return works.flatMap((work) => {
    const [unit, scale] = units[work];
    const values = (key: 'cpu' | 'elapsed') =>
      pairs.map(([bare, { round }]) => [bare[work][key] / scale, round[work][key] / scale] as const);
    return [
      compared(titles[work], unit, values('cpu'), targets[work]),
      compared(`${titles[work]}, by the clock`, unit, values('elapsed')),
    ];
  });
}

function daemonFigures(pairs: readonly (readonly [Round, Watched])[]): Figure[] {
  const watched = pairs.map(([, watched]) => watched);
  const median = (of: (watched: Watched) => number) => medianOf(watched.map(of));
  return [
    own(
      'Collector: at 100 connections a second',
      '%',
      median(({ trickle }) => trickle * 100),
    ),
    own(
      'Collector: lost',
      'records',
      watched.reduce((sum, { counts }) => sum + counts.lost, 0),
      0,
    ),
    own(
      'Collector: memory after the load',
      'MB',
      median(({ memory }) => memory.now),
      80,
    ),
    own('Collector: memory at its most', 'MB', Math.max(...watched.map(({ memory }) => memory.peak)), 80),
  ];
}

/** Progress; standard output has the result alone. */
function say(text: string): void {
  process.stderr.write(`… ${text}\n`);
}

/**
 * Whether Collector's memory stays flat: `npm run build && npx tsx scripts/soak.ts [--execs=1000000]
 * [--containers=5000] [--bound=8192]`. Needs root and gcc.
 *
 * So many containers live one after the other, in real cgroups, and share so many execs between them. Meanwhile the
 * resident memory is sampled; a straight line through the samples after a warm-up says how much it grows. Every exec
 * has to be reported, in its own container, or counted as lost. Exits with 1 if one is neither, or if memory surely
 * grows (by the slope less two of its standard errors) by more bytes in 1,000 execs than the bound.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Daemon } from './bench/daemon.js';
import { unifiedHierarchy } from './bench/workshop.js';
import { leastSquares } from './soak/slope.js';
import { SignalCounts } from './soak/signal-counts.js';

/** The part of the execs after which memory has to be flat. */
const WARM_UP = 0.25;
const SAMPLES = 400;
const SHOWN_SAMPLES = 10;
const SAMPLING_MS = 20;
/** After the load, until all is reported. */
const SETTLE_MS = 1000;
const REMOVAL_ATTEMPTS = 100;
const MEGABYTE = 1024 * 1024;

const bundle = path.resolve(import.meta.dirname, '../dist/collector.js');

/** Execs reported by then, and resident bytes. */
type MemorySample = readonly [reported: number, bytes: number];

try {
  process.exitCode = await soak();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function plan() {
  const { values } = parseArgs({
    options: {
      execs: { type: 'string', default: '1000000' },
      containers: { type: 'string', default: '5000' },
      bound: { type: 'string', default: '8192' },
    },
  });
  const [containers, bound] = [Number(values.containers), Number(values.bound)];
  const each = Math.ceil(Number(values.execs) / containers);
  if (!Number.isInteger(containers) || !(containers > 0)) throw new Error('--containers is a number over 0');
  if (!(each > 0 && each < Infinity)) throw new Error('--execs is a number over 0');
  if (!Number.isFinite(bound)) throw new Error('--bound is a number of bytes');
  return { containers, each, execs: each * containers, bound };
}

/** @returns the exit code */
async function soak(): Promise<number> {
  const { containers, each, execs, bound } = plan();
  const folder = mkdtempSync(path.join(tmpdir(), 'collector-soak-'));
  const pod = path.join(unifiedHierarchy(), `collector-soak-${process.pid}`);
  mkdirSync(pod);
  let daemon: Daemon | undefined;
  let running: ChildProcess | undefined;
  try {
    const [load, nothing] = [path.join(folder, 'lifetimes'), path.join(folder, 'nothing')];
    const source = (name: string) => path.join(import.meta.dirname, name);
    execFileSync('gcc', ['-O2', '-o', load, source('soak/lifetimes.c')]);
    execFileSync('gcc', ['-O2', '-static', '-nostdlib', '-o', nothing, source('bench/nothing.c')]);

    daemon = await Daemon.start(bundle, [], 'pipe');
    const prefix = randomBytes(3).toString('hex');
    const reported = new SignalCounts(daemon.output, (container) => container.startsWith(prefix));
    const start = performance.now();
    running = spawn(load, [pod, prefix, String(containers), String(each), nothing], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = once(running, 'close') as Promise<[number | null]>;
    const samples: MemorySample[] = [];
    const isOver = ended.then(() => true);
    const pause = async () => delay(SAMPLING_MS, false);
    while (!(await Promise.race([isOver, pause()]))) {
      if (reported.signals < (samples.length * execs) / SAMPLES) continue;
      samples.push([reported.signals, daemon.memory().now * MEGABYTE]);
    }
    const seconds = (performance.now() - start) / 1000;
    const [status] = await ended;
    if (status !== 0) throw new Error(`The load ended with ${status}.`);
    await delay(SETTLE_MS);
    const { peak } = daemon.memory();
    const { exec, lost } = await daemon.stop();

    const steady = samples.filter(([at]) => at >= execs * WARM_UP);
    if (steady.length < 3) throw new Error('It was over too soon: --execs has to be larger.');
    const { slope, error } = leastSquares(steady.map(([at, bytes]) => [at / 1000, bytes]));
    const whole = [...reported.containers.values()].filter((count) => count === each).length;
    const missing = execs - reported.signals;
    const unaccounted = missing > lost || reported.signals > execs;
    const grows = slope - 2 * error > bound;

    for (let i = 0; i < samples.length; i += Math.ceil(samples.length / SHOWN_SAMPLES)) {
      const [at, bytes] = samples[i]!;
      console.log(`after ${at} execs: ${(bytes / MEGABYTE).toFixed(1)} MB`);
    }
    console.log(`${execs} execs in ${containers} containers took ${seconds.toFixed(0)} s`);
    console.log(`told: ${reported.signals} execs, ${whole} containers with each of theirs`);
    console.log(`the kernel wrote ${exec} execs, this load's and others', and lost ${lost} events`);
    console.log(
      `memory: slope ${slope.toFixed(0)} ± ${error.toFixed(0)} bytes in 1,000 execs after warm-up ` +
        `(at most ${bound}), peak ${peak.toFixed(1)} MB`,
    );
    if (unaccounted) console.log(`Not all is accounted for: ${missing} execs were not told, ${lost} lost.`);
    if (grows) console.log('Memory grows.');
    return unaccounted || grows ? 1 : 0;
  } finally {
    running?.kill('SIGKILL');
    await daemon?.kill();
    rmSync(folder, { recursive: true });
    await removeCgroups(pod);
  }
}

/** Removes a cgroup and those in it; processes that have just been killed keep theirs for a moment. */
async function removeCgroups(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true }))
        if (entry.isDirectory()) rmdirSync(path.join(folder, entry.name));
      rmdirSync(folder);
      return;
    } catch (error) {
      if (attempt === REMOVAL_ATTEMPTS || (error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      await delay(SAMPLING_MS);
    }
  }
}

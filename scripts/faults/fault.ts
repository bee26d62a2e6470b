import { setTimeout as sleep } from 'node:timers/promises';
import type { Counts } from './counts.js';
import { imbalance, type Ledger } from './ledger.js';
import type { Life } from './life.js';
import type { Pace } from './load.js';
import { Scene, type SceneOptions, type StartOptions } from './scene.js';

/** The form of a run. */
export interface Plan {
  /** Whether it has to be over within seconds. */
  readonly isShort: boolean;
  /** How long the fault lasts, s. */
  readonly seconds: number;
}

/** Lines of the log expected of a fault. */
export interface Expected {
  /** Their subject, for people. */
  readonly what: string;
  readonly line: RegExp;
  /** Parts of Collector to say it, each at most once in ten seconds, as the log throttles; default: 1. */
  readonly sources?: number;
}

/** Lines of the log on a subject. */
export interface Said {
  readonly what: string;
  readonly lines: number;
  readonly most: number;
}

/** Findings of a run. */
export interface Findings {
  readonly ledger: Ledger;
  /** Most resident memory of a life, bytes. */
  readonly memory: number;
  /** Slowest end after SIGTERM, ms; undefined: there was none. */
  readonly ending: number | undefined;
  readonly said: readonly Said[];
  /** Anything else wrong, in words. */
  readonly problems: readonly string[];
  /** Logs of all lives. */
  readonly log: string;
}

/** A fault, and how to try it. */
export interface Fault {
  readonly name: string;
  readonly title: string;
  /** How long it lasts, s; no short form: it is left out of short runs. */
  readonly seconds: { readonly long: number; readonly short?: number };
  readonly run: (plan: Plan) => Promise<Findings>;
}

/** A fault of a Collector under a steady load. */
export interface FaultUnderLoad extends Pick<Fault, 'name' | 'title' | 'seconds'> {
  readonly pace?: Pace;
  readonly expects: readonly Expected[];
  /** Number of times without a Collector; default: 0. */
  readonly unwatched?: number;
  readonly scene?: SceneOptions;
  /** Prepares it on a scene of its own. */
  readonly prepare: (scene: Scene) => Happening | Promise<Happening>;
}

/** A prepared fault. */
export interface Happening {
  /** Of Collector. */
  readonly start?: StartOptions;
  /** Whether the fault is there before Collector is, and Collector is not waited for. */
  readonly isEarly?: boolean;
  /** Lets it happen, and undoes it. @param last waits for as long as it is to last */
  readonly happen: (last: () => Promise<void>, life: Life) => unknown;
}

const PACE: Pace = { execs: 100, every: 4 };
const SHORT_PACE: Pace = { execs: 40, every: 4 };
/** Before and after the fault, ms. */
const LEAD_MS = 1000;
/** Until all is delivered or counted, ms: streams come back within 10 s. */
const SETTLE_MS = 60_000;
const LOOK_MS = 250;
const WINDOW_S = 10;
/** Signs of a defect, in any fault. */
const DEFECT = /Unexpected error|^\s+at .*:\d+:\d+\)?$/m;

/** The pace of an ordinary load. */
export function paceOf({ isShort }: Plan): Pace {
  return isShort ? SHORT_PACE : PACE;
}

/** Makes a fault from its entry. */
export function underLoad(entry: FaultUnderLoad): Fault {
  const { name, title, seconds } = entry;
  return { name, title, seconds, run: (plan) => runUnderLoad(entry, plan) };
}

async function runUnderLoad(entry: FaultUnderLoad, plan: Plan): Promise<Findings> {
  const scene = await Scene.set(entry.scene);
  try {
    const { start, isEarly = false, happen } = await entry.prepare(scene);
    const life = isEarly ? scene.start(start) : await scene.collect(start);
    await scene.load.start(entry.pace ?? paceOf(plan));
    await sleep(LEAD_MS);
    await happen(() => sleep(plan.seconds * 1000), life);
    await life.ready();
    await sleep(LEAD_MS);
    const made = await scene.load.stop();
    return await conclude(scene, made, entry);
  } finally {
    await scene.remove();
  }
}

/** The measure of the end of a run. */
export interface Conclusion {
  readonly expects: readonly Expected[];
  readonly unwatched?: number;
}

/** Waits until everything made is delivered or counted, ends Collector, and sums up. */
export async function conclude(
  scene: Scene,
  made: Counts,
  { expects, unwatched = 0 }: Conclusion,
): Promise<Findings> {
  const problems: string[] = [];
  await settle(scene, made, unwatched);
  for (const life of scene.lives.filter(({ daemon }) => daemon.isRunning)) {
    const code = await life.stop();
    if (code !== 0) problems.push(`SIGTERM ends it with ${code ?? 'no exit code'}`);
    life.readLastWords(made.connections);
  }
  const defects = scene.lives.flatMap(({ log }) => DEFECT.exec(log)?.[0].trim() ?? []);
  problems.push(...defects.map((text) => `a defect in the log: ${text}`));
  return { ...findingsOf(scene.lives, scene.ledger(made, unwatched), { expects }), problems };
}

/** Sums up ended lives. */
export function findingsOf(
  lives: readonly Life[],
  ledger: Ledger,
  { expects }: Pick<Conclusion, 'expects'>,
): Omit<Findings, 'problems'> {
  const endings = lives.flatMap(({ ending }) => ending ?? []);
  const log = lives.map((life) => life.log).join('');
  const seconds = lives.reduce((sum, life) => sum + life.seconds, 0);
  return {
    ledger,
    memory: Math.max(...lives.map(({ memory }) => memory)),
    ending: endings.length > 0 ? Math.max(...endings) : undefined,
    said: expects.map((expected) => saidOf(log, expected, seconds)),
    log,
  };
}

async function settle(scene: Scene, made: Counts, unwatched: number): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const isOver = performance.now() > end;
    try {
      for (const life of scene.lives) if (life.daemon.isRunning) await life.look();
      if (isOver || imbalance(scene.ledger(made, unwatched)) <= 0) return;
    } catch (error) {
      if (isOver) throw error; // a starved Collector answers late
    }
    await sleep(LOOK_MS);
  }
}

/** @param seconds of the log */
function saidOf(log: string, { what, line, sources = 1 }: Expected, seconds: number): Said {
  const lines = log.split('\n').filter((text) => line.test(text)).length;
  return { what, lines, most: sources * (1 + Math.ceil(seconds / WINDOW_S)) };
}

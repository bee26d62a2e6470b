import { medianOf } from '../bench/statistics.js';
import type { Run } from './run.js';
import { autocorrelation, deviationOf, meanOf, mediansOf } from './statistics.js';
import { resources, type Resource } from './verdict.js';
import { works, type WorkCounts } from './work.js';

/** How a resource varies, in its unit: percent of a core, or MiB. */
export interface Noise {
  /** Of the runs' medians. */
  readonly mean: number;
  /** Standard deviation of the runs' medians. */
  readonly betweenRuns: number;
  /** Standard deviation of the seconds in a run. */
  readonly withinRun: number;
  /** Correlation of a second with the next. */
  readonly autocorrelation: number;
}

/** A model of runs of a build on a machine. */
export type Model = Readonly<Record<Resource, Noise>>;

/** A number from 0 to 1, 1 excluded. */
export type Random = () => number;

/** The work of a simulated run, all delivered. */
const WORK = Object.fromEntries(works.map((work) => [work, 1000])) as WorkCounts;

/** Fits the model to real runs of one build. @param runs at least two */
export function modelOf(runs: readonly Run[]): Model {
  const noise = (resource: Resource): Noise => {
    const samples = runs.map((run) => run[resource]);
    const medians = mediansOf(samples);
    return {
      mean: meanOf(medians),
      betweenRuns: deviationOf(medians),
      withinRun: medianOf(samples.map(deviationOf)),
      autocorrelation: Math.max(0, medianOf(samples.map(autocorrelation))),
    };
  };
  return { cpu: noise('cpu'), memory: noise('memory') };
}

/**
 * Makes up a run: an offset of its own, and seconds around it that remember each other (an autoregressive process).
 * @param more added to each second @param scale of the noise, 1 for the model's
 */
export function simulateRun(
  model: Model,
  seconds: number,
  more: Partial<Record<Resource, number>>,
  scale: number,
  random: Random,
): Run {
  const samples = (resource: Resource): number[] => {
    const { mean, betweenRuns, withinRun, autocorrelation: memory } = model[resource];
    const level = mean + (more[resource] ?? 0) + scale * betweenRuns * normal(random);
    // Keeps the standard deviation of the seconds, whatever they remember.
    const fresh = Math.sqrt(1 - memory ** 2);
    let state = normal(random);
    return Array.from({ length: seconds }, () => {
      state = memory * state + fresh * normal(random);
      return Math.max(0, level + scale * withinRun * state);
    });
  };
  const [cpu, memory] = resources.map(samples);
  return { cpu: cpu!, memory: memory!, made: WORK, delivered: WORK, lost: 0 };
}

/** Repeatable random numbers (mulberry32). @param seed a whole number */
export function randomNumbers(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Of the normal distribution with mean 0 and standard deviation 1 (Box and Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

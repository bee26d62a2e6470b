import { medianOf } from '../bench/statistics.js';
import type { Run } from './run.js';
import { blockMeans, mediansOf, welch, type Interval } from './statistics.js';
import { works, type Work } from './work.js';

/** The compared resources, in percent of a core and in MiB. */
export const resources = ['cpu', 'memory'] as const;
export type Resource = (typeof resources)[number];

/** Smaller differences are left out. */
export const floors: Readonly<Record<Resource, number>> = { cpu: 1, memory: 10 };
/** From this likelihood of noise on, a difference is green. */
export const NOISE = 0.8;
/** Share of the work by which a build may deliver less: a record of the last moment. */
export const DELIVERY_SLACK = 0.001;

/** Seconds of a block, or a fifth of a shorter run. */
const BLOCK = 10;
const LEAST_BLOCKS = 5;

/** `left-out`: below the floor; `noise`: likely noise; `less`: the build takes less; `red`: it takes more. */
export type Verdict = 'left-out' | 'noise' | 'less' | 'red';

export interface Difference {
  readonly resource: Resource;
  /** Medians. */
  readonly base: number;
  readonly own: number;
  /** Of the medians. */
  readonly difference: number;
  /** Of the difference in means, 95 %. */
  readonly interval: Interval;
  /** p-value of Welch's t-test, from 0 to 1. */
  readonly noise: number;
  readonly verdict: Verdict;
}

/** Shares of the work of a kind in the messages to Sensor, from 0 to 1. */
export interface Delivery {
  readonly work: Work;
  readonly base: number;
  readonly own: number;
  readonly verdict: 'same' | 'red';
}

export interface Comparison {
  readonly differences: readonly Difference[];
  readonly deliveries: readonly Delivery[];
  readonly isRed: boolean;
}

/** Compares runs of two builds, at least one of each. */
export function compareRuns(base: readonly Run[], own: readonly Run[]): Comparison {
  const differences = resources.map((resource) => differenceOf(resource, base, own));
  const deliveries = works.map((work) => deliveryOf(work, base, own));
  return {
    differences,
    deliveries,
    isRed: [...differences, ...deliveries].some(({ verdict }) => verdict === 'red'),
  };
}

/** Judges a difference of medians. */
export function judge(resource: Resource, difference: number, noise: number): Verdict {
  if (Math.abs(difference) < floors[resource]) return 'left-out';
  if (noise > NOISE) return 'noise';
  return difference > 0 ? 'red' : 'less';
}

function differenceOf(resource: Resource, base: readonly Run[], own: readonly Run[]): Difference {
  const samples = (runs: readonly Run[]) => runs.map((run) => run[resource]);
  const [baseSamples, ownSamples] = [samples(base), samples(own)];
  const [baseMedian, ownMedian] = [medianOf(mediansOf(baseSamples)), medianOf(mediansOf(ownSamples))];
  const difference = ownMedian - baseMedian;
  // Runs differ more among each other than the seconds of one: where there are two of each, they are what is compared.
  const observations = base.length > 1 && own.length > 1 ? mediansOf : blocksOf;
  const { pValue, interval } = welch(observations(baseSamples), observations(ownSamples));
  return {
    resource,
    base: baseMedian,
    own: ownMedian,
    difference,
    interval,
    noise: pValue,
    verdict: judge(resource, difference, pValue),
  };
}

function blocksOf(lists: readonly (readonly number[])[]): number[] {
  return lists.flatMap(blocks);
}

function blocks(samples: readonly number[]): number[] {
  return blockMeans(samples, Math.max(1, Math.min(BLOCK, Math.floor(samples.length / LEAST_BLOCKS))));
}

function deliveryOf(work: Work, base: readonly Run[], own: readonly Run[]): Delivery {
  const [baseShare, ownShare] = [deliveredShare(work, base), deliveredShare(work, own)];
  return {
    work,
    base: baseShare,
    own: ownShare,
    verdict: ownShare < baseShare - DELIVERY_SLACK ? 'red' : 'same',
  };
}

function deliveredShare(work: Work, runs: readonly Run[]): number {
  const sum = (of: 'made' | 'delivered') => runs.reduce((total, run) => total + run[of][work], 0);
  return sum('delivered') / sum('made');
}

import ttest from 'ttest';
import { medianOf } from '../bench/statistics.js';

/** How two groups of values differ in their means. */
export interface MeanDifference {
  /** Two-sided p-value: how often equal builds would differ as much, from 0 to 1. */
  readonly pValue: number;
  /** 95 % interval of the second mean less the first. */
  readonly interval: Interval;
}

export type Interval = readonly [low: number, high: number];

/** Two standard deviations, nearly: 95 % of a normal distribution. */
const Z_95 = 1.959964;

/**
 * Welch's t-test, for groups with a variance of their own.
 * @param base at least two values @param own at least two values
 */
export function welch(base: readonly number[], own: readonly number[]): MeanDifference {
  const isConstant = (values: readonly number[]) => values.every((value) => value === values[0]);
  // Without any variance the test would divide by zero.
  if (isConstant(base) && isConstant(own)) {
    const difference = own[0]! - base[0]!;
    return { pValue: difference === 0 ? 1 : 0, interval: [difference, difference] };
  }
  const test = ttest([...own], [...base], { varEqual: false });
  return { pValue: test.pValue(), interval: test.confidence() };
}

/**
 * Means of consecutive blocks. Samples of neighbouring seconds resemble each other, and a t-test of them finds a
 * difference in any two runs; means of longer blocks are nearly independent.
 * @param length values of a block; the last block has the remainder too
 */
export function blockMeans(values: readonly number[], length: number): number[] {
  const count = Math.max(1, Math.floor(values.length / length));
  return Array.from({ length: count }, (_, at) =>
    meanOf(values.slice(at * length, at === count - 1 ? undefined : (at + 1) * length)),
  );
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation of a sample; 0 for fewer than two values. */
export function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** Correlation of each value with the next, from -1 to 1; 0 for constant values. */
export function autocorrelation(values: readonly number[]): number {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (squares === 0) return 0;
  const products = values.slice(1).map((value, at) => (value - mean) * (values[at]! - mean));
  return products.reduce((sum, product) => sum + product, 0) / squares;
}

/** Wilson's 95 % interval of a rate, from 0 to 1. @param count events in `trials` of them */
export function wilson(count: number, trials: number): Interval {
  if (trials === 0) return [0, 1];
  const rate = count / trials;
  const square = Z_95 ** 2;
  const scale = 1 + square / trials;
  const centre = (rate + square / (2 * trials)) / scale;
  const half = (Z_95 / scale) * Math.sqrt((rate * (1 - rate)) / trials + square / (4 * trials ** 2));
  // Exact at the ends, where rounding would leave 1e-17.
  return [count === 0 ? 0 : centre - half, count === trials ? 1 : centre + half];
}

/** The median of each list. */
export function mediansOf(lists: readonly (readonly number[])[]): number[] {
  return lists.map(medianOf);
}

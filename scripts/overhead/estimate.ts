/** A ratio of costs, and how sure it is. */
export interface Interval {
  readonly ratio: number;
  /** The bounds of its confidence interval; absent if there are too few pairs for one. */
  readonly low?: number;
  readonly high?: number;
}

const CONFIDENCE = 0.95;

/**
 * The ratio typical of many pairs: Hodges and Lehmann's estimate on the logarithms, the median of the means of every
 * two. Its interval is exact for symmetric noise of any shape, by Wilcoxon's signed ranks: a few rounds spoilt by other
 * work widen it little, and nothing is drawn at random.
 *
 * @param ratios at least one, each over 0; under 6 give no interval
 */
export function estimate(ratios: readonly number[], confidence = CONFIDENCE): Interval {
  const logarithms = ratios.map(Math.log);
  const means = logarithms
    .flatMap((one, index) => logarithms.slice(index).map((other) => (one + other) / 2))
    .sort((a, b) => a - b);
  const middle = means.length >> 1;
  const median = means.length % 2 === 1 ? means[middle]! : (means[middle - 1]! + means[middle]!) / 2;
  const outside = leftOut(ratios.length, (1 - confidence) / 2);
  if (outside === undefined) return { ratio: Math.exp(median) };
  return {
    ratio: Math.exp(median),
    low: Math.exp(means[outside]!),
    high: Math.exp(means.at(-1 - outside)!),
  };
}

/**
 * How many of the sorted means lie below the interval.
 * @returns undefined if even all of them together are too few @param tail probability below, and above, the interval
 */
function leftOut(pairs: number, tail: number): number | undefined {
  const probabilities = signedRanks(pairs);
  let below = probabilities[0]!;
  if (below > tail) return undefined;
  let count = 0;
  while (below + probabilities[count + 1]! <= tail) below += probabilities[++count]!;
  return count;
}

/** Probability of each sum of signed ranks of so many pairs, if either sign is as likely. */
function signedRanks(pairs: number): Float64Array {
  const sums = new Float64Array((pairs * (pairs + 1)) / 2 + 1);
  sums[0] = 1;
  let most = 0;
  for (let rank = 1; rank <= pairs; rank++) {
    most += rank;
    for (let sum = most; sum >= 0; sum--)
      sums[sum] = (sums[sum]! + (sum >= rank ? sums[sum - rank]! : 0)) / 2;
  }
  return sums;
}

import { leastSquares } from '../soak/slope.js';
import type { Curve, Point } from './data.js';

/** Points needed for an exponent and its error. */
const FEWEST = 3;
/** Allowed on top: from a thousand rows to a million each look goes from the first cache to memory. */
export const CACHES = 0.25;

/** How a curve grows: y is about x to the power of `exponent`. */
export interface Growth {
  readonly exponent: number;
  /** One standard error of it. */
  readonly error: number;
  /** Whether the exponent is within the curve's most, caches allowed for. */
  readonly met: boolean;
}

/** Fits a power law, by the least squares of logarithms. @returns undefined for fewer than three points */
export function growthOf({ points, most }: Pick<Curve, 'points' | 'most'>): Growth | undefined {
  if (points.length < FEWEST) return undefined;
  const { slope, error } = leastSquares(points.map(logarithms));
  return { exponent: slope, error, met: slope <= most + (most === 0 ? CACHES : 0) };
}

/** A curve's growth in words: `n^0.93 ± 0.04`, or of two points `×1.02`. */
export function growthText(curve: Pick<Curve, 'points' | 'most'>): string {
  const growth = growthOf(curve);
  if (growth !== undefined) return `n^${signed(growth.exponent)} ± ${growth.error.toFixed(2)}`;
  const [first, last] = [curve.points[0]!, curve.points.at(-1)!];
  return `×${(last.y / first.y).toFixed(2)}`;
}

function logarithms({ x, y }: Point): [number, number] {
  return [Math.log10(x), Math.log10(y)];
}

/** With a minus sign, and no −0.00. */
function signed(value: number): string {
  const text = value.toFixed(2);
  return text === '-0.00' ? '0.00' : text.replace('-', '−');
}

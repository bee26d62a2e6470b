/** A straight line through points. */
export interface StraightLine {
  readonly slope: number;
  /** How far off the slope may be: one standard deviation, if the points scatter at random. */
  readonly error: number;
}

/** The line with the least squares of vertical distances. @param points at least 3, not all at the same x */
export function leastSquares(points: readonly (readonly [x: number, y: number])[]): StraightLine {
  const { length } = points;
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const sum = (of: (x: number, y: number) => number) =>
    points.reduce((total, [x, y]) => total + of(x - meanX, y - meanY), 0);
  const squares = sum((x) => x * x);
  const slope = sum((x, y) => x * y) / squares;
  const rest = sum((x, y) => (y - slope * x) ** 2);
  return { slope, error: Math.sqrt(rest / (length - 2) / squares) };
}

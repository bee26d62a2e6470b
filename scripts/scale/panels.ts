import type { Curve, Point } from './data.js';
import { growthText } from './growth.js';

/** A plot of like curves. */
export interface Panel {
  readonly title: string;
  /** What its x is. */
  readonly along: string;
  readonly series: readonly Series[];
  readonly limits: readonly Point[];
  readonly x: Axis;
  readonly y: Axis;
}

export interface Series {
  /** What tells it from its neighbours; maybe empty. */
  readonly name: string;
  readonly growth: string;
  readonly origin: string;
  readonly points: readonly Point[];
}

/** A logarithmic axis. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

/** Room beside the first and the last point, as a factor. */
const BESIDE = 1.35;
const CPU = 'CPU for ';
const SHORT_ORIGINS = { kernel: 'real', rings: 'by rings', facts: 'all reported' } as const;

/** Sorts curves into panels: by what they are along, and what they cost. */
export function panelsOf(curves: readonly Curve[]): Panel[] {
  const groups = new Map<string, Curve[]>();
  for (const curve of curves) {
    const key = JSON.stringify([titleOf(curve), curve.along]);
    groups.set(key, [...(groups.get(key) ?? []), curve]);
  }
  return [...groups.values()].map(panelOf);
}

function panelOf(curves: readonly Curve[]): Panel {
  const { along } = curves[0]!;
  const points = curves.flatMap((curve) => curve.points);
  const limits = curves.flatMap((curve) => curve.limits ?? []);
  const all = [...points, ...limits];
  return {
    title: titleOf(curves[0]!),
    along,
    series: curves.map((curve) => ({
      name: nameOf(curve),
      growth: growthText(curve),
      origin: curve.origin,
      points: curve.points,
    })),
    limits,
    x: axisOf(points.map(({ x }) => x)),
    y: decades(all.map(({ y }) => y)),
  };
}

/** Ticks of all connections are in one panel, and execs and connections by anything else. */
function titleOf({ name, along, unit }: Curve): string {
  if (unit === 'MB') return `resident memory, MB`;
  if (name.endsWith('tick')) return `${CPU}a tick, ${unit}`;
  return along === 'live connections' ? `${name}, ${unit}` : `${CPU}1,000, ${unit}`;
}

function nameOf({ name, along, origin, unit }: Curve): string {
  const what = name.replace(CPU, '').replace(/^(1,000|a) /, '');
  if (along !== 'live connections') return unit === 'MB' ? '' : what;
  return name.endsWith('tick') && origin === 'facts'
    ? `${what.replace(' tick', '')}, ${SHORT_ORIGINS[origin]}`
    : SHORT_ORIGINS[origin];
}

/** With a tick at each value. */
function axisOf(values: readonly number[]): Axis {
  return {
    from: Math.min(...values) / BESIDE,
    to: Math.max(...values) * BESIDE,
    ticks: [...new Set(values)].sort((a, b) => a - b),
  };
}

/** Whole decades around the values, with ticks at powers of ten; within one decade at 1, 2 and 5 of it, too. */
function decades(values: readonly number[]): Axis {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const powers = Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n));
  const between = high - low === 1 ? [2 * powers[0]!, 5 * powers[0]!] : [];
  return {
    from: powers[0]!,
    to: powers.at(-1)!,
    ticks: [...powers, ...between].map((value) => Number(value.toPrecision(1))).sort((a, b) => a - b),
  };
}

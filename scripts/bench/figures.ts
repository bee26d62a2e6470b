import { medianOf, summarize, type Summary } from './statistics.js';

/** One line of the result. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Without Collector. */
  readonly bare?: number;
  /** With Collector, or of Collector itself. */
  readonly collector: number;
  /** With to without, pair by pair. */
  readonly ratio?: Summary;
  readonly target?: FigureTarget;
}

interface FigureTarget {
  readonly text: string;
  readonly met: boolean;
}

/**
 * A figure of the load, from pairs of runs without and with Collector.
 * @param most share added by Collector; 0: no more than noise, not visible in every pair
 */
export function compared(
  name: string,
  unit: string,
  pairs: readonly (readonly [bare: number, collector: number])[],
  most?: number,
): Figure {
  const ratio = summarize(pairs.map(([bare, collector]) => collector / bare));
  const figure = {
    name,
    unit,
    bare: medianOf(pairs.map(([bare]) => bare)),
    collector: medianOf(pairs.map(([, collector]) => collector)),
    ratio,
  };
  if (most === undefined) return figure;
  const target =
    most === 0
      ? { text: 'noise', met: ratio.min <= 1 }
      : { text: `≤ +${most * 100} %`, met: ratio.median <= 1 + most };
  return { ...figure, target };
}

/** A figure of Collector itself; `target` is its upper limit. */
export function own(name: string, unit: string, collector: number, target?: number): Figure {
  return {
    name,
    unit,
    collector,
    ...(target !== undefined && { target: { text: `≤ ${target} ${unit}`, met: collector <= target } }),
  };
}

/** The figures as a table for people. @param names of the compared daemons */
export function table(
  figures: readonly Figure[],
  names: readonly [string, string] = ['bare', 'Collector'],
): string {
  const rows = figures.map(({ name, unit, bare, collector, ratio, target }) => [
    `${name}, ${unit}`,
    bare === undefined ? '' : digits(bare),
    digits(collector),
    ratio === undefined ? '' : `${ratio.median.toFixed(3)} (${ratio.min.toFixed(3)}–${ratio.max.toFixed(3)})`,
    target?.text ?? '',
    target === undefined ? '' : target.met ? 'met' : 'NOT MET',
  ]);
  const all = [['figure', ...names, 'ratio (min–max)', 'target', ''], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isNumber = (column: number) => column === 1 || column === 2;
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** With as many decimals as mean something. */
function digits(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

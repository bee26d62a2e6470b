import type { Figure } from '../bench/figures.js';
import { curvesOf, figuresOf, origins, type Curve, type ScaleData } from './data.js';
import { growthChart } from './growth-chart.js';
import { CACHES, growthOf, growthText } from './growth.js';

/** Where the picture lies, relative to docs. */
export const PICTURE = 'images/scale.svg';

/** Markdown of a measurement: targets, growth, and where the facts of each come from. */
export function render(data: ScaleData): string {
  const curves = curvesOf(data);
  return [
    targets(figuresOf(data)),
    ...(curves.length === 0 ? [] : [growths(curves), whereFrom(curves)]),
  ].join('\n\n');
}

/** The picture beside it, as SVG; undefined without any curve. */
export function picture(data: ScaleData): string | undefined {
  const curves = curvesOf(data);
  return curves.length === 0 ? undefined : growthChart(curves);
}

function targets(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, collector, target }) => [
    name,
    `${digits(collector)} ${unit}`,
    target?.text ?? '',
    target === undefined ? '' : target.met ? 'met' : '**not met**',
  ]);
  return table(['figure', 'measured', 'target', ''], rows);
}

function growths(curves: readonly Curve[]): string {
  const rows = curves.map((curve) => {
    const { name, unit, along, origin, most, points } = curve;
    const growth = growthOf(curve);
    return [
      `${name}, ${unit}`,
      `${along}: ${points.map(({ x }) => x.toLocaleString('en')).join(', ')}`,
      points.map(({ y }) => digits(y)).join(', '),
      growthText(curve),
      growth === undefined ? '' : `≤ n^${most === 0 ? CACHES : most}: ${growth.met ? 'met' : '**not met**'}`,
      origin,
    ];
  });
  return [
    table(['cost', 'at', 'measured', 'grows with', 'target', 'facts'], rows),
    `The exponents are fitted to the logarithms, with one standard error. n^1 is as much for each of them, however many ` +
      `there are. One more exec or connection may cost n^${CACHES} more, since a look at a table goes from the ` +
      `processor's first cache to memory. The dashed lines grow with n.`,
  ].join('\n\n');
}

function whereFrom(curves: readonly Curve[]): string {
  const used = new Set(curves.map(({ origin }) => origin));
  const lines = Object.entries(origins)
    .filter(([origin]) => used.has(origin as Curve['origin']))
    .map(([origin, words]) => `- _${origin}_: ${words}`);
  return ['Where the facts come from:', '', ...lines].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** With as many decimals as mean something. */
function digits(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3);
}

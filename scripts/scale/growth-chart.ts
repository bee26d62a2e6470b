import { shape, svgText, type Shape } from '../charts/svg.js';
import { panelsOf, type Panel } from './panels.js';

/** px: a panel with its margins, the frame of its plot, and the lines of text. */
const COLUMNS = 4;
const WIDTH = 248;
const LEFT = 40;
const RIGHT = 12;
const TITLE = 20;
const LEGEND_LINE = 15;
const PLOT = 130;
const AXIS = 34;
const GAP = 14;
const DOT = 3;
/** Half of the line of a target. */
const LIMIT = 8;
const FONT = 11;

/** Colours for both of GitHub's themes, by the theme of the reader's system. */
const STYLE = `
svg { --text: #1f2328; --muted: #59636e; --rule: #d1d9e0; --frame: #818b98; --bad: #c93c45; --paper: #ffffff; --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; }
@media (prefers-color-scheme: dark) {
  svg { --text: #f0f6fc; --muted: #9198a1; --rule: #3d444d; --frame: #656c76; --bad: #da5f5c; --paper: #0d1117; --c0: #4493f7; --c1: #db6d28; --c2: #3fb950; --c3: #a371f7; }
}
text { font: ${FONT}px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: var(--text); }
.title { font-size: 13px; font-weight: 600; }
.tick { fill: var(--muted); }
.x { text-anchor: middle; }
.y { text-anchor: end; }
.frame { fill: none; stroke: var(--frame); }
.grid { stroke: var(--rule); }
.with-n { stroke: var(--muted); stroke-dasharray: 3 3; fill: none; }
.limit { stroke: var(--bad); stroke-width: 2; }
.limit-text { fill: var(--bad); text-anchor: end; }
.line { fill: none; stroke-width: 1.5; }
${[0, 1, 2, 3].map((n) => `.line.s${n}, .dot.s${n} { stroke: var(--c${n}); } .dot.s${n} { fill: var(--c${n}); }`).join('\n')}
.dot.kernel { fill: var(--paper); stroke-width: 1.5; }
`;

/** Draws how costs grow: a panel for each kind of cost, both axes logarithmic. A function of the curves alone. */
export function growthChart(...[curves]: Parameters<typeof panelsOf>): string {
  const panels = panelsOf(curves);
  const rows = Math.ceil(panels.length / COLUMNS);
  const heights = Array.from({ length: rows }, (_, row) =>
    Math.max(...panels.slice(row * COLUMNS, (row + 1) * COLUMNS).map(heightOf)),
  );
  const tops = heights.map(
    (_, row) => GAP + heights.slice(0, row).reduce((sum, height) => sum + height + GAP, 0),
  );
  return svgText({
    width: Math.min(COLUMNS, panels.length) * WIDTH,
    height: tops.at(-1)! + heights.at(-1)! + GAP,
    title: 'How the costs of Collector grow',
    description: panels.map(inWords).join('. '),
    style: STYLE,
    shapes: panels.flatMap((panel, n) => {
      const row = Math.floor(n / COLUMNS);
      return drawPanel(panel, (n % COLUMNS) * WIDTH, tops[row]!, heights[row]!);
    }),
  });
}

function heightOf({ series }: Panel): number {
  return TITLE + series.length * LEGEND_LINE + GAP + PLOT + AXIS;
}

function inWords({ title, along, series }: Panel): string {
  return `${title}, by ${along}: ${series.map(({ name, growth }) => [name, growth].filter(Boolean).join(' ')).join(', ')}`;
}

/** @param height of the row: plots of a row stand on one line */
function drawPanel(panel: Panel, left: number, top: number, height: number): Shape[] {
  const { series, title, along } = panel;
  const frame = { x: left + LEFT, y: top + height - AXIS - PLOT, width: WIDTH - LEFT - RIGHT, height: PLOT };
  const place = placer(panel, frame);
  const bottom = frame.y + frame.height;
  return [
    text('title', left + LEFT, top + FONT, title),
    ...series.flatMap((one, n) => drawLegend(one, n, left + LEFT, top + TITLE + (n + 0.5) * LEGEND_LINE)),
    ...panel.y.ticks.flatMap((value) => {
      const y = place(panel.x.from, value).y;
      return [
        line('grid', frame.x, y, frame.x + frame.width, y),
        text('tick y', frame.x - 4, y + 4, short(value)),
      ];
    }),
    ...panel.x.ticks.map((value) =>
      text('tick x', place(value, panel.y.from).x, bottom + FONT + 3, short(value)),
    ),
    text('tick x', frame.x + frame.width / 2, bottom + 2 * FONT + 8, along),
    shape('rect', { class: 'frame', ...frame }),
    ...drawWithN(panel, place),
    ...panel.limits.flatMap((limit) => drawLimit(limit, panel, place)),
    ...series.flatMap((one, n) => drawSeries(one, n, place)),
  ];
}

type Place = (x: number, y: number) => { readonly x: number; readonly y: number };

function placer({ x, y }: Panel, frame: { x: number; y: number; width: number; height: number }): Place {
  const share = (value: number, { from, to }: { from: number; to: number }) =>
    Math.log(value / from) / Math.log(to / from);
  return (atX, atY) => ({
    x: round(frame.x + frame.width * share(atX, x)),
    y: round(frame.y + frame.height * (1 - share(atY, y))),
  });
}

function drawLegend(
  { name, growth, origin }: Panel['series'][number],
  n: number,
  x: number,
  y: number,
): Shape[] {
  return [dot(origin, n, x + DOT, y), text('', x + 4 * DOT, y + 4, [name, growth].filter(Boolean).join(' '))];
}

function drawSeries({ points, origin }: Panel['series'][number], n: number, place: Place): Shape[] {
  const places = points.map(({ x, y }) => place(x, y));
  const path = places.map(({ x, y }) => `${x},${y}`).join(' ');
  return [
    shape('polyline', { class: `line s${n}`, points: path }),
    ...places.map(({ x, y }) => dot(origin, n, x, y)),
  ];
}

/** A dashed line of growth with n, from the first point to where it leaves the frame. */
function drawWithN({ series, x, y }: Panel, place: Place): Shape[] {
  const first = series[0]?.points[0];
  if (first === undefined) return [];
  const most = Math.min(x.to / first.x, y.to / first.y);
  const [from, to] = [place(first.x, first.y), place(first.x * most, first.y * most)];
  return [line('with-n', from.x, from.y, to.x, to.y)];
}

function drawLimit(limit: { x: number; y: number }, { y: { to } }: Panel, place: Place): Shape[] {
  const { x, y } = place(limit.x, limit.y);
  const isAbove = limit.y < to / 1.5;
  return [
    line('limit', x - LIMIT, y, x + LIMIT, y),
    text('limit-text', x + LIMIT, isAbove ? y - 4 : y + FONT + 3, `≤ ${limit.y}`),
  ];
}

function dot(origin: string, n: number, x: number, y: number): Shape {
  return shape('circle', { class: `dot s${n} ${origin}`, cx: x, cy: y, r: DOT });
}

function line(name: string, x1: number, y1: number, x2: number, y2: number): Shape {
  return shape('line', { class: name, x1, y1, x2, y2 });
}

function text(name: string, x: number, y: number, content: string): Shape {
  return shape('text', { ...(name !== '' && { class: name }), x: round(x), y: round(y) }, content);
}

/** `1k`, `1M`, `0.5`. */
function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

/** Tenths of a px keep the file small. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}

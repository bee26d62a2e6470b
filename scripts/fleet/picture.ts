import type { FleetData, Restart } from './fleet.js';

const WIDTH = 720;
const PANEL_HEIGHT = 150;
const GAP = 62;
const LEFT = 64;
const RIGHT = 16;
const TOP = 66;
/** Seconds shown, from Sensor's return on. */
const SECONDS = 20;
const TICKS = 4;
/** Part of a second's width for each of two bars. */
const BAR = 0.4;

/** Colours for both of GitHub's themes, by the theme of the reader's system. */
const STYLE = `
svg { --text: #1f2328; --muted: #59636e; --rule: #d1d9e0; --with: #0969da; --without: #bc4c00; }
@media (prefers-color-scheme: dark) {
  svg { --text: #f0f6fc; --muted: #9198a1; --rule: #3d444d; --with: #4493f8; --without: #f0883e; }
}
text { font: 12px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: var(--text); }
.title { font-weight: 600; }
.muted { fill: var(--muted); font-size: 11px; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.rule { stroke: var(--rule); }
.with { fill: var(--with); }
.without { fill: var(--without); }
`;

/** Draws the streams of connections opened in each second after Sensor is back, with and without jitter: an SVG. */
export function picture({ nodes, restarts }: Pick<FleetData, 'nodes' | 'restarts'>): string {
  const height = TOP + restarts.length * (PANEL_HEIGHT + GAP);
  const title = `Streams of connections opened in each second after Sensor is back, by ${number(nodes)} nodes`;
  const panels = restarts.map((restart, at) => panel(restart, TOP + at * (PANEL_HEIGHT + GAP)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${title}</title>`,
    `<style>${STYLE}</style>`,
    text(LEFT, 20, 'title', title),
    legend(LEFT, 42),
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}

function panel({ down, jittered, unjittered }: Restart, top: number): string {
  const [with_, without] = [jittered, unjittered].map(({ networkBySecond }) =>
    networkBySecond.slice(0, SECONDS),
  ) as [number[], number[]];
  const most = niceMaximum(Math.max(1, ...with_, ...without));
  const bottom = top + 18 + PANEL_HEIGHT;
  const width = (WIDTH - LEFT - RIGHT) / SECONDS;
  const y = (value: number): number => bottom - (value / most) * PANEL_HEIGHT;
  const grid = Array.from({ length: TICKS + 1 }, (_, tick) => {
    const value = (most / TICKS) * tick;
    return (
      `<line class="rule" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(value))}" y2="${round(y(value))}"/>` +
      text(LEFT - 8, round(y(value) + 4), 'muted end', number(value))
    );
  });
  const bars = (counts: readonly number[], name: string, offset: number) =>
    counts.map((count, second) => {
      if (count === 0) return '';
      const x = round(LEFT + (second + offset) * width);
      return `<rect class="${name}" x="${x}" y="${round(y(count))}" width="${round(BAR * width)}" height="${round(bottom - y(count))}"/>`;
    });
  const seconds = Array.from({ length: SECONDS }, (_, second) =>
    text(round(LEFT + (second + 0.5) * width), bottom + 16, 'muted middle', String(second)),
  );
  const name = down === 0 ? 'Sensor restarts without a gap' : `Sensor is away for ${down} s`;
  return [
    text(LEFT, top + 8, '', `${name}; seconds since its return`),
    ...grid,
    ...bars(without, 'without', 0.5 - BAR),
    ...bars(with_, 'with', 0.5),
    ...seconds,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function legend(x: number, y: number): string {
  return [
    `<rect class="without" x="${x}" y="${y - 9}" width="10" height="10"/>`,
    text(x + 15, y, 'muted', 'fixed back-off'),
    `<rect class="with" x="${x + 110}" y="${y - 9}" width="10" height="10"/>`,
    text(x + 125, y, 'muted', 'with full jitter'),
  ].join('\n');
}

/** The next larger round number. */
function niceMaximum(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  const nice = [1, 2, 4, 6, 8, 10].find((factor) => factor * unit >= value)!;
  return Math.max(nice * unit, TICKS);
}

function text(x: number, y: number, name: string, content: string): string {
  const attribute = name === '' ? '' : ` class="${name}"`;
  return `<text${attribute} x="${x}" y="${y}">${content}</text>`;
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

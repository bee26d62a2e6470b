import { drawChart } from '../../actors/inspection/page/chart-drawing.js';
import type { LaidOutChart } from '../../actors/inspection/protocol.js';
import { shape, svgText } from './svg.js';

const MARGIN = 12;

/** Colours for both of GitHub's themes, by the theme of the reader's system. */
const STYLE = `
svg { --box: #ffffff; --frame: #f6f8fa; --rule: #afb8c1; --text: #1f2328; --muted: #59636e; --line: #6e7781; --bad: #c93c45; }
@media (prefers-color-scheme: dark) {
  svg { --box: #21262d; --frame: #151b23; --rule: #484f58; --text: #f0f6fc; --muted: #9198a1; --line: #8b949e; --bad: #da5f5c; }
}
text { font: 12px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: var(--text); }
.name { font-size: 14px; font-weight: 600; }
.atomic .name, .final .name, .atomic .below, .event, .guard { text-anchor: middle; }
.framed .event, .framed .guard { text-anchor: start; }
.below, .guard { font-size: 11px; fill: var(--muted); }
.box { fill: var(--box); stroke: var(--rule); }
.frame .box { fill: var(--frame); }
.ring { fill: none; stroke: var(--rule); }
.line { fill: none; stroke: var(--line); stroke-width: 1.25; }
.arrow, .dot { fill: var(--line); }
.failure .line { stroke: var(--bad); }
.failure .arrow { fill: var(--bad); }
.label { fill: var(--frame); }
`;

/** Draws a chart as a picture that stands alone: text as text, light and dark. */
export function picture(chart: LaidOutChart, title: string, description: string): string {
  const [width, height] = [chart.width + 2 * MARGIN, chart.height + 2 * MARGIN];
  const content = shape('g', { transform: `translate(${MARGIN} ${MARGIN})` }, ...drawChart(chart));
  return svgText({ width, height, title, description, style: STYLE, shapes: [content] });
}

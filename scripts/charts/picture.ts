import { drawChart, type Shape } from '../../actors/inspection/page/chart-drawing.js';
import type { LaidOutChart } from '../../actors/inspection/protocol.js';

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
  const content: Shape[] = [
    shape('title', {}, title),
    shape('desc', {}, description),
    shape('style', {}, STYLE),
    shape('g', { transform: `translate(${MARGIN} ${MARGIN})` }, ...drawChart(chart)),
  ];
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
  };
  return `${written(shape('svg', attributes, ...content))}\n`;
}

function shape(tag: string, attributes: Shape['attributes'], ...children: Shape['children']): Shape {
  return { tag, attributes, children };
}

function written(one: Shape | string): string {
  if (typeof one === 'string') return escaped(one);
  // Wide lines to point at: a picture has no pointer.
  if (one.attributes['class'] === 'hit') return '';
  const attributes = Object.entries(one.attributes).map(
    ([name, value]) => ` ${name}="${escaped(String(value))}"`,
  );
  const children = one.children.map(written).join('');
  return `<${one.tag}${attributes.join('')}>${children}</${one.tag}>${one.tag === 'g' ? '\n' : ''}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

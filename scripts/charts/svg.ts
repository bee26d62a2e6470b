import type { Shape } from '../../actors/inspection/page/chart-drawing.js';

export type { Shape };

export function shape(tag: string, attributes: Shape['attributes'], ...children: Shape['children']): Shape {
  return { tag, attributes, children };
}

/** A picture that stands alone: size in px, what it shows in words, its style and its shapes. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly description: string;
  readonly style: string;
  readonly shapes: readonly Shape[];
}

/** @returns the text of an SVG file */
export function svgText({ width, height, title, description, style, shapes }: Drawing): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
  };
  const about = [shape('title', {}, title), shape('desc', {}, description), shape('style', {}, style)];
  return `${written(shape('svg', attributes, ...about, ...shapes))}\n`;
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

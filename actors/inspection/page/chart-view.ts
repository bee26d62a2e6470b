import type { Box, Edge, LaidOutChart, StateNode } from '../protocol.js';
import { drawChart, isFailure, type Shape } from './chart-drawing.js';

/** What a chart shows. */
export interface ChartMoment {
  /** Ids of the active states, outermost first. */
  readonly active: readonly string[];
  /** Ids of the edges taken last. A new array, though with the same edges, is a new transition, and flashes. */
  readonly taken: readonly string[];
  /** Id of the state or edge that has its details shown. */
  readonly selected?: string | undefined;
}

const SVG = 'http://www.w3.org/2000/svg';
/** px around the drawing: room for the marks of focus. */
const MARGIN = 4;
/** Of states entered for a failure. */
const FAILED = 'failed';

/** One state or edge in the drawing. */
interface Item {
  readonly id: string;
  readonly element: SVGElement;
  readonly middle: readonly [x: number, y: number];
}

/**
 * Draws a chart once; from then on only classes change. One stop of the Tab key: arrow keys go to the next state or
 * edge in their direction, Enter or a click chooses it.
 */
export class ChartView {
  readonly element: SVGElement;
  readonly #chart: LaidOutChart;
  readonly #onSelect: (id: string) => void;
  readonly #items: readonly Item[];
  #shown: ChartMoment = { active: [], taken: [] };

  /** @param onSelect is called with the id of a chosen state or edge */
  constructor(chart: LaidOutChart, onSelect: (id: string) => void) {
    this.#chart = chart;
    this.#onSelect = onSelect;
    const { width, height } = chart;
    this.element = created({
      tag: 'svg',
      attributes: {
        class: 'chart',
        viewBox: `${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`,
        width: width + 2 * MARGIN,
        height: height + 2 * MARGIN,
        role: 'group',
        'aria-label': `Chart of ${chart.id}`,
      },
      children: drawChart(chart),
    });
    this.#items = [...chart.states, ...chart.edges].map((one) => this.#item(one));
    this.#items[0]?.element.setAttribute('tabindex', '0');
    this.element.addEventListener('click', ({ target }) => this.#select(target));
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Cheap enough for every message: elements whose marks stay the same are not touched. */
  show(moment: ChartMoment): void {
    const { active, taken, selected } = moment;
    const isNew = taken !== this.#shown.taken;
    const hasFailed = this.#chart.edges.some((edge) => taken.includes(edge.id) && isFailure(edge));
    for (const { id, element } of this.#items) {
      const isActive = active.includes(id);
      const isLast = taken.includes(id);
      toggle(element, 'active', isActive);
      toggle(element, 'bad', id === active.at(-1) && (hasFailed || id.endsWith(`.${FAILED}`)));
      if (toggle(element, 'last', isLast) && isLast) toFront(element);
      toggle(element, 'selected', id === selected);
      if (isActive !== element.hasAttribute('aria-current')) {
        if (isActive) element.setAttribute('aria-current', 'true');
        else element.removeAttribute('aria-current');
      }
      if (isNew && isLast) flash(element);
    }
    this.#shown = moment;
  }

  #item(one: Edge | StateNode): Item {
    const element = this.element.querySelector<SVGElement>(`[data-id="${CSS.escape(one.id)}"]`)!;
    element.setAttribute('role', 'button');
    element.setAttribute('tabindex', '-1');
    const text = element.textContent.replace(/\s+/g, ' ').trim();
    element.setAttribute('aria-label', `${text}, ${'label' in one ? way(one, this.#chart) : 'state'}`);
    const { x, y, width, height }: Box =
      'label' in one ? this.#chart.lines[one.id]!.label : this.#chart.boxes[one.id]!;
    const isFrame = 'kind' in one && one.kind === 'compound';
    return { id: one.id, element, middle: [x + width / 2, y + (isFrame ? 0 : height / 2)] };
  }

  #select(target: EventTarget | null): void {
    const item = this.#items.find(({ element }) => element.contains(target as Node));
    if (!item) return;
    this.#focus(item);
    this.#onSelect(item.id);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#select(event.target);
      return;
    }
    const from = this.#items.find(({ element }) => element === event.target);
    const next = from && this.#next(from, event.key);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    this.#focus(next);
  }

  /** The nearest item in the direction of an arrow key; a way aside counts twice. */
  #next(from: Item, key: string): Item | undefined {
    const direction = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[key];
    if (!direction) return undefined;
    const [dx, dy] = direction as [number, number];
    const far = ({ middle: [x, y] }: Item): number => {
      const [right, down] = [x - from.middle[0], y - from.middle[1]];
      const along = right * dx + down * dy;
      return along <= 0 ? Infinity : along + 2 * Math.abs(right * dy + down * dx);
    };
    const [nearest] = this.#items.toSorted((a, b) => far(a) - far(b));
    return nearest && far(nearest) < Infinity ? nearest : undefined;
  }

  #focus({ element }: Item): void {
    for (const item of this.#items)
      item.element.setAttribute('tabindex', item.element === element ? '0' : '-1');
    element.focus();
  }
}

function way({ source, target }: Edge, { states }: LaidOutChart): string {
  const key = (id: string): string => states.find((state) => state.id === id)?.key ?? id;
  return target === undefined ? `in ${key(source)}` : `from ${key(source)} to ${key(target)}`;
}

function created({ tag, attributes, children }: Shape): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children.map((child) => (typeof child === 'string' ? child : created(child))));
  return element;
}

/** @returns whether the mark changed */
function toggle({ classList }: SVGElement, mark: string, isOn: boolean): boolean {
  if (classList.contains(mark) === isOn) return false;
  classList.toggle(mark, isOn);
  return true;
}

/** Above the lines it shares a lane with; not while it has the focus, lost by moving. */
function toFront(element: SVGElement): void {
  if (element !== document.activeElement) element.parentNode?.append(element);
}

/** Two names of one animation, in turns: it starts again without a look at the layout. */
function flash({ classList }: SVGElement): void {
  const next = classList.contains('flash-a') ? 'flash-b' : 'flash-a';
  classList.remove('flash-a', 'flash-b');
  classList.add(next);
}

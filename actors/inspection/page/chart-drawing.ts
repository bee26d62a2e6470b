import type { Box, Edge, LaidOutChart, Line, Point, StateNode } from '../protocol.js';

/** A drawing as elements of SVG: for the page, and for the pictures in the documentation. */
export interface Shape {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, number | string>>;
  readonly children: readonly (Shape | string)[];
}

const CORNER = 8;
const ARROW = 7;

/** Draws a chart: frames of compound states, then the states in them, then the edges, so that nothing is hidden. */
export function drawChart(chart: LaidOutChart): Shape[] {
  const stateOf = ({ source }: Edge): StateNode => chart.states.find(({ id }) => id === source)!;
  return [
    ...chart.states.filter(isFrame).map((state) => drawState(state, chart.boxes[state.id]!)),
    ...chart.states
      .filter((state) => !isFrame(state))
      .map((state) => drawState(state, chart.boxes[state.id]!)),
    ...Object.values(chart.starts).map(drawStart),
    ...chart.edges.map((edge) => drawEdge(edge, chart.lines[edge.id]!, isFrame(stateOf(edge)))),
  ];
}

/** The line below the name of a state: the actors that live as long as it is active, unless they have its name. */
export function subline({ key, invokes }: StateNode): string | undefined {
  const others = invokes.filter((id) => id !== key);
  return others.length === 0 ? undefined : `runs ${others.join(', ')}`;
}

/** The text of an edge without a target, inside of its state. */
export function innerText({ label }: Edge): string {
  return `on ${label}`;
}

/** Whether an edge is taken for a failure: of an effect, of a connection, or of a check. */
export function isFailure({ event, guard = '' }: Edge): boolean {
  return /error|fail|broken/i.test(`${event} ${guard}`);
}

function isFrame({ kind }: StateNode): boolean {
  return kind === 'compound' || kind === 'parallel';
}

function shape(
  tag: string,
  attributes: Readonly<Record<string, number | string>>,
  ...children: readonly (Shape | string)[]
): Shape {
  return { tag, attributes, children };
}

function drawState(state: StateNode, { x, y, width, height }: Box): Shape {
  const { kind } = state;
  const frame = isFrame(state);
  const below = subline(state);
  const shapes = [shape('rect', { class: 'box', x, y, width, height, rx: CORNER })];
  if (kind === 'final') {
    const inside = { x: x + 3, y: y + 3, width: width - 6, height: height - 6, rx: CORNER - 3 };
    shapes.push(shape('rect', { class: 'ring', ...inside }));
  }
  const at = frame ? x + 14 : x + width / 2;
  shapes.push(shape('text', { class: 'name', x: at, y: y + 23 }, state.key));
  if (below !== undefined) shapes.push(shape('text', { class: 'below', x: at, y: y + 39 }, ` ${below}`));
  const kinds = ['state', frame ? 'frame' : kind, ...(state.parent === undefined ? ['root'] : [])];
  return shape('g', { class: kinds.join(' '), 'data-id': state.id }, ...shapes);
}

function drawStart(points: readonly Point[]): Shape {
  const [[x, y] = [0, 0]] = points;
  return shape(
    'g',
    { class: 'start' },
    shape('path', { class: 'line', d: path(points) }),
    shape('path', { class: 'arrow', d: arrow(points) }),
    shape('circle', { class: 'dot', cx: x, cy: y, r: 5 }),
  );
}

/** @param isFramed whether the source is a frame, with its text on the left */
function drawEdge(edge: Edge, { points, label: box }: Line, isFramed: boolean): Shape {
  const { id, guard } = edge;
  const isInner = points.length === 0;
  const kinds = [
    'edge',
    ...(isInner ? ['inner'] : []),
    ...(isInner && isFramed ? ['framed'] : []),
    ...(isFailure(edge) ? ['failure'] : []),
  ];
  const { x, y, width, height } = box;
  const at = isInner && isFramed ? x + 6 : x + width / 2;
  return shape(
    'g',
    { class: kinds.join(' '), 'data-id': id },
    ...(isInner
      ? []
      : [
          shape('path', { class: 'hit', d: path(points) }),
          shape('path', { class: 'line', d: path(points) }),
          shape('path', { class: 'arrow', d: arrow(points) }),
        ]),
    shape('rect', { class: 'label', x, y, width, height, rx: 6 }),
    shape('text', { class: 'event', x: at, y: y + 14 }, isInner ? innerText(edge) : edge.label),
    ...(guard === undefined ? [] : [shape('text', { class: 'guard', x: at, y: y + 29 }, ` [${guard}]`)]),
  );
}

/** The line through the points, with round corners. */
function path(points: readonly Point[]): string {
  const parts = points.map(([x, y], n) => {
    const before = points[n - 1];
    const after = points[n + 1];
    if (!before) return `M${x} ${y}`;
    if (!after) return `L${x} ${y}`;
    const radius = Math.min(CORNER, distance(before, [x, y]) / 2, distance([x, y], after) / 2);
    const [fromX, fromY] = towards([x, y], before, radius);
    const [toX, toY] = towards([x, y], after, radius);
    return `L${fromX} ${fromY}Q${x} ${y} ${toX} ${toY}`;
  });
  return parts.join('');
}

/** The head of the arrow at the last point. */
function arrow(points: readonly Point[]): string {
  const end = points.at(-1)!;
  const before = points.at(-2)!;
  const [x, y] = towards(end, before, ARROW);
  const [dx, dy] = [((end[1] - y) / ARROW) * 3.5, ((end[0] - x) / ARROW) * 3.5];
  return `M${end.join(' ')}L${tidy(x + dx)} ${tidy(y - dy)}L${tidy(x - dx)} ${tidy(y + dy)}Z`;
}

function distance([x1, y1]: Point, [x2, y2]: Point): number {
  return Math.hypot(x2 - x1, y2 - y1);
}

/** The point `length` away from `start`, on the way to `end`. */
function towards(start: Point, end: Point, length: number): Point {
  const part = length / (distance(start, end) || 1);
  return [tidy(start[0] + (end[0] - start[0]) * part), tidy(start[1] + (end[1] - start[1]) * part)];
}

function tidy(value: number): number {
  return Math.round(value * 100) / 100;
}

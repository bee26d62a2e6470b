import elk from 'elkjs/lib/elk.bundled.js';
import type { ElkExtendedEdge, ElkNode, ElkPort, LayoutOptions } from 'elkjs/lib/elk-api.js';
import type { AnyStateMachine } from 'xstate';
import { innerText, subline } from '../../actors/inspection/page/chart-drawing.js';
import type { Box, Edge, LaidOutChart, Line, Point, StateNode } from '../../actors/inspection/protocol.js';
import { collecting } from '../../machines/collecting.js';
import { lifecycle } from '../../machines/lifecycle.js';
import { stream } from '../../machines/stream.js';
import { chartOf } from './chart.js';
import { ChartRoutes, type Lane, type Side } from './routes.js';
import { textWidth } from './text.js';

const MACHINES: readonly AnyStateMachine[] = [lifecycle, collecting, stream];

/** px: heights of a state's name, of the line below it, of a label and of its second line. */
const NAME = 36;
const SUBLINE = 16;
const LABEL = 20;
const GUARD = 15;
/** px: between a frame and its contents, between lanes, between a state and a label beside it. */
const PADDING = 16;
const LANE = 14;
const BESIDE = 12;
/** px: the dot before an initial state, and how far a loop leaves its state. */
const DOT = 10;
const LOOP = 18;

const GRAPH: LayoutOptions = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.shapeCoords': 'ROOT',
  'elk.json.edgeCoords': 'ROOT',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.spacing.nodeNodeBetweenLayers': '22',
  'elk.layered.spacing.edgeNodeBetweenLayers': '16',
  'elk.spacing.nodeNode': '28',
  'elk.spacing.edgeNode': '18',
  'elk.spacing.edgeEdge': '14',
  'elk.spacing.edgeLabel': '4',
};
const STRAIGHT: LayoutOptions = {
  'elk.layered.priority.straightness': '20',
  'elk.layered.priority.shortness': '20',
};

/** Lays out the charts of all machines, by their ids. The same machines give the same charts. */
export async function layOutCharts(): Promise<Record<string, LaidOutChart>> {
  const layouts = MACHINES.map((machine) => new Layout(new ChartRoutes(chartOf(machine))));
  const charts = await Promise.all(layouts.map((layout) => layout.run()));
  return Object.fromEntries(charts.map((chart) => [chart.id, chart]));
}

/** Lays out one chart: boxes and the lines between them by ELK, the lines beside them in lanes. */
class Layout {
  readonly #routes: ChartRoutes;
  /** Placed by ELK, by id. */
  readonly #boxes = new Map<string, Box>();
  readonly #lines = new Map<string, ElkExtendedEdge>();

  constructor(routes: ChartRoutes) {
    this.#routes = routes;
  }

  async run(): Promise<LaidOutChart> {
    const { chart } = this.#routes;
    const graph: ElkNode = await new elk.default().layout({
      id: '',
      layoutOptions: { ...GRAPH, 'elk.padding': '[top=0,left=0,bottom=0,right=0]' },
      children: chart.states.filter(({ parent }) => parent === undefined).map((root) => this.#node(root)),
      edges: [...chart.edges.flatMap((edge) => this.#edge(edge)), ...chart.states.flatMap(start)],
    });
    for (const shape of shapes(graph)) this.#boxes.set(shape.id, box(shape));
    for (const line of graph.edges ?? []) this.#lines.set(line.id, line);
    return {
      ...chart,
      width: Math.ceil(graph.width ?? 0),
      height: Math.ceil(graph.height ?? 0),
      boxes: Object.fromEntries(chart.states.map(({ id }) => [id, this.#box(id)])),
      lines: Object.fromEntries(chart.edges.map((edge) => [edge.id, this.#line(edge)])),
      starts: Object.fromEntries(
        chart.states
          .filter(({ initial }) => initial !== undefined)
          .map(({ id }) => [id, points(this.#lines.get(startOf(id))!)]),
      ),
    };
  }

  #node(state: StateNode): ElkNode {
    const size = this.#titleSize(state);
    const { id, initial } = state;
    const options = {
      'elk.portConstraints': 'FIXED_SIDE',
      'elk.portLabels.placement': 'OUTSIDE',
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${size.width}, ${size.height})`,
    };
    const children = this.#routes.children(id).map((child) => this.#node(child));
    if (children.length === 0) return { id, ...size, ports: this.#ports(id), layoutOptions: options };
    if (initial !== undefined) children.unshift({ id: startOf(id), width: DOT, height: DOT });
    const [left, right] = [this.#routes.lanes(id, 'left'), this.#routes.lanes(id, 'right')].map(
      ({ length }) => PADDING + length * LANE,
    );
    return {
      id,
      ports: this.#ports(id),
      layoutOptions: {
        ...GRAPH,
        ...options,
        'elk.padding': `[top=${size.height + 4},left=${left},bottom=${PADDING},right=${right}]`,
      },
      children,
    };
  }

  /** Room for the name of a state, the line below it, its edges without a target, and the ends of lines beside it. */
  #titleSize(state: StateNode): { readonly width: number; readonly height: number } {
    const inner = this.#routes.inner(state.id);
    const below = subline(state);
    const widths = [textWidth(state.key, 14), ...inner.map((edge) => labelSize(edge).width)];
    if (below !== undefined) widths.push(textWidth(below, 11));
    const title = NAME + (below === undefined ? 0 : SUBLINE) + inner.length * (LABEL + 4);
    const beside = (['left', 'right'] as const).map((side) => sum(this.#ends(state.id, side)));
    return {
      width: Math.max(96, Math.ceil(Math.max(...widths)) + 2 * PADDING),
      height: Math.max(title, ...beside),
    };
  }

  /** Ends of lines on a side of a state, from above: lanes from above, edges, lanes from below. */
  #ends(state: string, side: 'left' | 'right'): End[] {
    const lanes = this.#routes.lanesTo(state, side).map((lane) => ({ id: into(lane), height: LANE, lane }));
    const edges = this.#routes
      .leaving(state, side)
      .map((edge) => ({ id: outOf(edge), edge, ...labelSize(edge) }));
    const fromBelow = lanes.filter(({ lane }) => this.#routes.isUp(lane));
    return [...lanes.filter((lane) => !fromBelow.includes(lane)), ...edges, ...fromBelow];
  }

  #ports(state: string): ElkPort[] {
    return (['left', 'right'] as const).flatMap((side) =>
      this.#ends(state, side).map(({ id, width = 0, height }) => ({
        id,
        labels: width === 0 ? [] : [{ text: id, width: width + BESIDE + LOOP, height }],
        layoutOptions: { 'elk.port.side': side === 'left' ? 'WEST' : 'EAST' },
      })),
    );
  }

  /** Where a line ends on a side of a state: in a frame the ends share its height, else they are close together. */
  #end(state: string, side: Side, id: string): Point {
    const { x, y, width, height } = this.#box(state);
    if (side !== 'left' && side !== 'right') throw new Error(`${id} ends on no side.`);
    const ends = this.#ends(state, side);
    const n = ends.findIndex((end) => end.id === id);
    const along =
      this.#routes.children(state).length > 0
        ? (height * (n + 1)) / (ends.length + 1)
        : (height - sum(ends)) / 2 + sum(ends.slice(0, n)) + ends[n]!.height / 2;
    return [side === 'left' ? x : x + width, round(y + along)];
  }

  /** The line of an edge for ELK to draw. Of a lane only one down: it puts the target below its sources. */
  #edge(edge: Edge): ElkExtendedEdge[] {
    const lane = this.#routes.lane(edge);
    if (lane) {
      const ends = [outOf(edge), into(lane)];
      if (this.#routes.isUp(lane)) ends.reverse();
      const [source, target] = ends as [string, string];
      return lane.edges.at(-1) === edge ? [{ id: edge.id, sources: [source], targets: [target] }] : [];
    }
    if (this.#routes.side(edge) !== 'down') return [];
    const label = {
      text: edge.label,
      ...labelSize(edge),
      layoutOptions: { 'elk.edgeLabels.inline': 'true' },
    };
    return [
      {
        id: edge.id,
        sources: [edge.source],
        targets: [edge.target!],
        labels: [label],
        layoutOptions: STRAIGHT,
      },
    ];
  }

  #line(edge: Edge): Line {
    const lane = this.#routes.lane(edge);
    if (lane) return this.#inLane(edge, lane);
    switch (this.#routes.side(edge)) {
      case 'inside':
        return this.#inside(edge);
      case 'right':
        return this.#loop(edge);
      default: {
        const line = this.#lines.get(edge.id)!;
        return { points: points(line), label: box(line.labels![0]!) };
      }
    }
  }

  /** Out of the source, along the lane, into the target. */
  #inLane(edge: Edge, lane: Lane): Line {
    const [x, y] = this.#end(edge.source, lane.side, outOf(edge));
    const end = this.#end(lane.target, lane.side, into(lane));
    const frame = this.#box(lane.frame);
    const inset = (this.#routes.lanes(lane.frame, lane.side).indexOf(lane) + 1) * LANE;
    const left = lane.side === 'left';
    const along = left ? frame.x + inset : frame.x + frame.width - inset;
    const { width, height } = labelSize(edge);
    return {
      points: [[x, y], [along, y], [along, end[1]], end],
      label: { x: left ? x - BESIDE - width : x + BESIDE, y: y - height / 2, width, height },
    };
  }

  #loop(edge: Edge): Line {
    const [x, y] = this.#end(edge.source, 'right', outOf(edge));
    const { width, height } = labelSize(edge);
    return {
      points: [
        [x, y - LOOP / 2],
        [x + LOOP, y - LOOP / 2],
        [x + LOOP, y + LOOP / 2],
        [x, y + LOOP / 2],
      ],
      label: { x: x + LOOP + 2, y: y - height / 2, width, height },
    };
  }

  /** Below the name of the source. */
  #inside(edge: Edge): Line {
    const { x, y, width: available } = this.#box(edge.source);
    const state = this.#routes.state(edge.source);
    const n = this.#routes.inner(edge.source).indexOf(edge);
    const top = y + NAME - 4 + (subline(state) === undefined ? 0 : SUBLINE) + n * (LABEL + 4);
    const { width, height } = labelSize(edge);
    const left = state.kind === 'compound' ? x + PADDING / 2 : x + (available - width) / 2;
    return { points: [], label: { x: left, y: top, width, height } };
  }

  #box(id: string): Box {
    return this.#boxes.get(id)!;
  }
}

/** An end of a line beside a state: of an edge leaving it, with a label, or of a lane. */
interface End {
  readonly id: string;
  readonly width?: number;
  readonly height: number;
}

function sum(ends: readonly End[]): number {
  return ends.reduce((total, { height }) => total + height, 0);
}

function labelSize(edge: Edge): { readonly width: number; readonly height: number } {
  const { label, guard, target } = edge;
  const text = target === undefined ? innerText(edge) : label;
  const width = Math.max(textWidth(text, 12), guard === undefined ? 0 : textWidth(`[${guard}]`, 11));
  return { width: Math.ceil(width) + 12, height: LABEL + (guard === undefined ? 0 : GUARD) };
}

function outOf(edge: Edge): string {
  return `out of ${edge.id}`;
}

function into({ side, target }: Lane): string {
  return `into ${target} ${side}`;
}

function startOf(state: string): string {
  return `start of ${state}`;
}

function start({ id, initial }: StateNode): ElkExtendedEdge[] {
  if (initial === undefined) return [];
  return [{ id: startOf(id), sources: [startOf(id)], targets: [initial], layoutOptions: STRAIGHT }];
}

/** All nodes below a node. */
function* shapes({ children = [] }: ElkNode): Generator<ElkNode> {
  for (const child of children) {
    yield child;
    yield* shapes(child);
  }
}

function box({ x = 0, y = 0, width = 0, height = 0 }: Partial<Box>): Box {
  return { x: round(x), y: round(y), width: round(width), height: round(height) };
}

function points({ sections = [] }: ElkExtendedEdge): Point[] {
  return sections.flatMap(({ startPoint, bendPoints = [], endPoint }) =>
    [startPoint, ...bendPoints, endPoint].map(({ x, y }): Point => [round(x), round(y)]),
  );
}

/** Half pixels are sharp on most screens, and keep the file small. */
function round(value: number): number {
  return Math.round(value * 2) / 2;
}

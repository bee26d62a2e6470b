import elk from 'elkjs/lib/elk.bundled.js';
import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js';
import type { AnyStateMachine } from 'xstate';
import { chartOf } from '../../actors/inspection/chart.js';
import type {
  Box,
  Chart,
  Edge,
  LaidOutChart,
  Line,
  Point,
  StateNode,
} from '../../actors/inspection/protocol.js';
import { collecting } from '../../machines/collecting.js';
import { lifecycle } from '../../machines/lifecycle.js';
import { stream } from '../../machines/stream.js';
import { textWidth } from './text.js';

const MACHINES: readonly AnyStateMachine[] = [lifecycle, collecting, stream];

/** px: heights of a state's name, of the line below it, of a label and of its second line; room around them. */
export const NAME = 36;
export const SUBLINE = 16;
export const LABEL = 20;
const GUARD = 15;
const PADDING = 16;
const DOT = 10;

const GRAPH: LayoutOptions = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.shapeCoords': 'ROOT',
  'elk.json.edgeCoords': 'ROOT',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.spacing.nodeNodeBetweenLayers': '28',
  'elk.layered.spacing.edgeNodeBetweenLayers': '18',
  'elk.spacing.nodeNode': '28',
  'elk.spacing.edgeNode': '18',
  'elk.spacing.edgeEdge': '14',
  'elk.spacing.edgeLabel': '4',
};

/** Lays out the charts of all machines, by their ids. The same machines give the same charts. */
export async function layOutCharts(): Promise<Record<string, LaidOutChart>> {
  const charts = await Promise.all(MACHINES.map((machine) => layOut(chartOf(machine))));
  return Object.fromEntries(charts.map((chart) => [chart.id, chart]));
}

async function layOut(chart: Chart): Promise<LaidOutChart> {
  const graph: ElkNode = await new elk.default().layout({
    id: '',
    layoutOptions: { ...GRAPH, 'elk.padding': '[top=0,left=0,bottom=0,right=0]' },
    children: chart.states.filter(({ parent }) => parent === undefined).map((root) => node(chart, root)),
    edges: [
      ...chart.edges.filter(({ target }) => target !== undefined).map(line),
      ...chart.states.flatMap(start),
    ],
  });
  const boxes = Object.fromEntries([...placed(graph)].map((one) => [one.id, box(one)]));
  const routes = new Map((graph.edges ?? []).map((edge) => [edge.id, edge]));
  return {
    ...chart,
    width: Math.ceil(graph.width ?? 0),
    height: Math.ceil(graph.height ?? 0),
    boxes: Object.fromEntries(chart.states.map(({ id }) => [id, boxes[id]!])),
    lines: Object.fromEntries(
      chart.edges.map((edge) => [edge.id, drawn(chart, edge, routes.get(edge.id), boxes)]),
    ),
    starts: Object.fromEntries(
      chart.states.flatMap(({ id, initial }) => {
        const route = routes.get(startOf(id));
        return initial === undefined || !route ? [] : [[id, points(route)]];
      }),
    ),
  };
}

function node(chart: Chart, state: StateNode): ElkNode {
  const children = chart.states.filter(({ parent }) => parent === state.id);
  const size = titleSize(chart, state);
  if (children.length === 0) return { id: state.id, ...size };
  return {
    id: state.id,
    layoutOptions: {
      ...GRAPH,
      'elk.padding': `[top=${size.height + 4},left=${PADDING},bottom=${PADDING},right=${PADDING}]`,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${size.width}, ${size.height})`,
    },
    children: [
      ...(state.initial === undefined ? [] : [{ id: startOf(state.id), width: DOT, height: DOT }]),
      ...children.map((child) => node(chart, child)),
    ],
  };
}

/** Room for the name of a state, the line below it, and its edges without a target. */
function titleSize(chart: Chart, state: StateNode): { readonly width: number; readonly height: number } {
  const inner = internals(chart, state.id);
  const below = subline(state);
  const widths = [textWidth(state.key, 14), ...inner.map((edge) => labelSize(edge).width)];
  if (below !== undefined) widths.push(textWidth(below, 11));
  const height = NAME + (below === undefined ? 0 : SUBLINE) + inner.length * (LABEL + 4);
  return { width: Math.max(96, Math.ceil(Math.max(...widths)) + 2 * PADDING), height };
}

/** The line below the name of a state: the actors that live as long as it is active, unless they have its name. */
export function subline({ key, invokes }: StateNode): string | undefined {
  const others = invokes.filter((id) => id !== key);
  return others.length === 0 ? undefined : `runs ${others.join(', ')}`;
}

function internals(chart: Chart, state: string): Edge[] {
  return chart.edges.filter(({ source, target }) => source === state && target === undefined);
}

function labelSize({ label, guard }: Edge): { readonly width: number; readonly height: number } {
  const width = Math.max(textWidth(label, 12), guard === undefined ? 0 : textWidth(`[${guard}]`, 11));
  return { width: Math.ceil(width) + 16, height: LABEL + (guard === undefined ? 0 : GUARD) };
}

function line(edge: Edge): ElkExtendedEdge {
  return {
    id: edge.id,
    sources: [edge.source],
    targets: [edge.target!],
    labels: [{ text: edge.label, ...labelSize(edge), layoutOptions: { 'elk.edgeLabels.inline': 'true' } }],
  };
}

function startOf(state: string): string {
  return `${state} start`;
}

function start({ id, initial }: StateNode): ElkExtendedEdge[] {
  return initial === undefined ? [] : [{ id: startOf(id), sources: [startOf(id)], targets: [initial] }];
}

function* placed({ children = [] }: ElkNode): Generator<ElkNode> {
  for (const child of children) {
    yield child;
    yield* placed(child);
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

function drawn(
  chart: Chart,
  edge: Edge,
  route: ElkExtendedEdge | undefined,
  boxes: Readonly<Record<string, Box>>,
): Line {
  if (route) return { points: points(route), label: box(route.labels?.[0] ?? {}) };
  const source = boxes[edge.source]!;
  const state = chart.states.find(({ id }) => id === edge.source)!;
  const n = internals(chart, edge.source).indexOf(edge);
  const top = NAME + (subline(state) === undefined ? 0 : SUBLINE) - 4;
  const { width, height } = labelSize(edge);
  return {
    points: [],
    label: { x: source.x + PADDING / 2, y: source.y + top + n * (LABEL + 4), width, height },
  };
}

/** Whole pixels are sharp, and keep the file small. */
function round(value: number): number {
  return Math.round(value * 2) / 2;
}

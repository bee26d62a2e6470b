import { isFailure } from '../../actors/inspection/page/chart-drawing.js';
import type { Chart, Edge, StateNode } from '../../actors/inspection/protocol.js';

/** How the line of an edge leaves its source; `inside`: it changes no state. */
export type Side = 'down' | 'left' | 'right' | 'inside';

/** A vertical way beside the states, shared by the edges to one target. */
export interface Lane {
  readonly side: Side;
  readonly target: string;
  /** The innermost state around all of it. */
  readonly frame: string;
  readonly edges: readonly Edge[];
}

/**
 * Decides which way the lines of a chart go: down from state to state in the order of definition, failures and ways
 * back on the right, shortcuts on the left. The main road then is a straight one.
 */
export class ChartRoutes {
  readonly chart: Chart;
  readonly #states: ReadonlyMap<string, StateNode>;
  readonly #lanes: readonly Lane[];

  constructor(chart: Chart) {
    this.chart = chart;
    this.#states = new Map(chart.states.map((state) => [state.id, state]));
    const edges = chart.edges.filter((edge) => /left|right/.test(this.side(edge)) && !isLoop(edge));
    const ways = new Set(edges.map((edge) => this.#way(edge)));
    this.#lanes = [...ways].map((way) => this.#newLane(edges.filter((edge) => this.#way(edge) === way)));
  }

  state(id: string): StateNode {
    return this.#states.get(id)!;
  }

  children(id: string): StateNode[] {
    return this.chart.states.filter(({ parent }) => parent === id);
  }

  side(edge: Edge): Side {
    if (edge.target === undefined) return 'inside';
    if (isLoop(edge) || this.isBack(edge)) return 'right';
    if (isFailure(edge) && !(this.isMain(edge) && this.#isOnly(edge))) return 'right';
    return this.isMain(edge) ? 'down' : 'left';
  }

  /** Edges of a state without a target. */
  inner(state: string): Edge[] {
    return this.chart.edges.filter((edge) => edge.source === state && this.side(edge) === 'inside');
  }

  /** Edges of a state with a line that leaves it on a side. */
  leaving(state: string, side: Side): Edge[] {
    return this.chart.edges.filter((edge) => edge.source === state && this.side(edge) === side);
  }

  /** Lanes inside of a state. */
  lanes(frame: string, side: Side): Lane[] {
    return this.#lanes.filter((lane) => lane.frame === frame && lane.side === side);
  }

  lanesTo(target: string, side: Side): Lane[] {
    return this.#lanes.filter((lane) => lane.target === target && lane.side === side);
  }

  lane(edge: Edge): Lane | undefined {
    return this.#lanes.find(({ edges }) => edges.includes(edge));
  }

  /** Whether the lane leads up. */
  isUp({ edges }: Lane): boolean {
    return edges.every((edge) => this.isBack(edge));
  }

  /** Whether the edge leads to an earlier state. */
  isBack({ source, target }: Edge): boolean {
    const order = [...this.#states.keys()];
    return order.indexOf(target!) < order.indexOf(source) && !isInside(source, target!);
  }

  /** Whether the edge leads to the next state in the order of definition. */
  isMain({ source, target }: Edge): boolean {
    const siblings = this.chart.states.filter(({ parent }) => parent === this.state(source).parent);
    return siblings[siblings.findIndex(({ id }) => id === source) + 1]?.id === target;
  }

  /** Whether no other edge leads from its source to its target. */
  #isOnly({ source, target }: Edge): boolean {
    return this.chart.edges.filter((edge) => edge.source === source && edge.target === target).length === 1;
  }

  #way(edge: Edge): string {
    return `${this.side(edge)} ${edge.target!}`;
  }

  #newLane(edges: readonly Edge[]): Lane {
    const [first] = edges as [Edge];
    const target = first.target!;
    let frame = this.state(target).parent ?? target;
    while (!edges.every(({ source }) => isInside(source, frame))) frame = this.state(frame).parent!;
    return { side: this.side(first), target, frame, edges };
  }
}

function isLoop({ source, target }: Edge): boolean {
  return source === target;
}

function isInside(state: string, frame: string): boolean {
  return state.startsWith(`${frame}.`);
}

import { medianOf } from '../bench/statistics.js';
import { agesOfAgent, nodeCost, type Age, type Block, type Costs } from './block.js';
import { estimate, type Interval } from './estimate.js';
import type { Place } from './site.js';
import { judge, type Target, type Verdict } from './verdict.js';

/** Costs of an operation with an agent, beside its costs without. */
export interface BillFigure {
  readonly workload: string;
  readonly place: Place;
  readonly agent: string;
  readonly age: Age;
  readonly blocks: number;
  /** Medians of an operation without the agent, ns. */
  readonly bare: { readonly clock: number; readonly node: number };
  /** With the agent to without. */
  readonly clock: Interval;
  readonly node: Interval;
  /** Median processor time of the agent itself for an operation, ns. */
  readonly own: number;
  /** In all blocks. */
  readonly lost: number;
  readonly verdict?: Verdict;
}

/**
 * Figures of blocks, in their order.
 * @param targetOf a figure of an agent without a target is not judged
 */
export function figuresOf(
  blocks: readonly Block[],
  targetOf: (block: Block) => Target | undefined,
): BillFigure[] {
  const groups = new Map<string, Block[]>();
  for (const block of blocks) {
    const key = [block.workload, block.place, block.agent].join(' ');
    groups.set(key, [...(groups.get(key) ?? []), block]);
  }
  return [...groups.values()].flatMap((group) =>
    agesOfAgent
      .filter((age) => group.some(({ ages }) => ages[age] !== undefined))
      .map((age) => figureOf(group, age, targetOf(group[0]!))),
  );
}

function figureOf(blocks: readonly Block[], age: Age, target: Target | undefined): BillFigure {
  const rows = blocks.flatMap(({ before, ages, after }) => {
    const watched = ages[age];
    return watched === undefined ? [] : [{ before, watched, after }];
  });
  const bare = (cost: (costs: Costs) => number) =>
    rows.map(({ before, after }) => Math.sqrt(cost(before) * cost(after)));
  const ratios = (cost: (costs: Costs) => number) => {
    const without = bare(cost);
    return estimate(rows.map(({ watched }, index) => cost(watched) / without[index]!));
  };
  const clock = ({ clock }: Costs) => clock;
  const figure = { clock: ratios(clock), node: ratios(nodeCost) };
  const { workload, place, agent } = blocks[0]!;
  return {
    workload,
    place,
    agent,
    age,
    blocks: rows.length,
    bare: { clock: medianOf(bare(clock)), node: medianOf(bare(nodeCost)) },
    ...figure,
    own: medianOf(rows.map(({ watched }) => watched.agent)),
    lost: blocks.reduce((sum, { lost }) => sum + lost, 0),
    ...(target !== undefined && { verdict: judge(target, figure) }),
  };
}

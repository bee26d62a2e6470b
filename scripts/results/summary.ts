import type { Figure } from '../bench/figures.js';
import type { FaultsData } from '../faults/report.js';
import type { BillFigure } from '../overhead/figures.js';
import type { Bill } from '../overhead/report.js';
import { figuresOf, type ScaleData } from '../scale/data.js';

/** Operations that the kernel tells Collector of, and work of others whose rate counts. */
const OPERATIONS: readonly string[] = ['connect', 'exec'];
const SERVERS: readonly string[] = ['redis', 'nginx', 'pgbench'];
/** Figures of Collector itself, by the start of their names. */
const OWN = /idle|^memory at (10000 connections, before|1000000 )|records lost/;

/** The figures of the front page: what others pay, what Collector takes, and what holds when things fail. */
export function summary(bill: Bill, scale: ScaleData, { outcomes }: FaultsData): string {
  const others = bill.figures.filter(
    ({ agent, place, age, verdict }) =>
      agent === 'collector' && place === 'containers' && age === 'warm' && verdict !== undefined,
  );
  const rows = [
    ...others.filter(({ workload }) => OPERATIONS.includes(workload)).map((one) => payment(one, bill)),
    ...slowest(others.filter(({ workload }) => SERVERS.includes(workload))),
    ...figuresOf(scale)
      .filter(({ name }) => OWN.test(name))
      .map(ownCost),
    ['faults under load, every event delivered or counted', held(outcomes), 'all'],
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(['', 'measured', 'target']), line(['---', '---', '---']), ...rows.map(line)].join('\n');
}

/** What an operation in containers costs the node, Collector's own time included, and by the clock. */
function payment({ workload, node, clock, verdict }: BillFigure, { titles }: Bill): string[] {
  return [
    titles[workload] ?? workload,
    `${times(node.ratio)}, by the clock ${times(clock.ratio)}`,
    verdict!.target,
  ];
}

function slowest(servers: readonly BillFigure[]): string[][] {
  const [worst] = servers.toSorted((a, b) => b.clock.ratio - a.clock.ratio);
  if (worst === undefined) return [];
  const names = servers.map(({ workload }) => workload).join(', ');
  return [[`${names}: the slowest, in time`, times(worst.clock.ratio), worst.verdict!.target]];
}

function ownCost({ name, unit, collector, target }: Figure): string[] {
  const isWhole = Number.isInteger(collector) || collector >= 100;
  const value = isWhole ? collector.toFixed(0) : collector.toPrecision(2);
  return [name.replace(/^(not )?idle.*/, 'Collector at rest'), `${value} ${unit}`, target?.text ?? ''];
}

function held(outcomes: FaultsData['outcomes']): string {
  return `${outcomes.filter(({ breaches }) => breaches.length === 0).length} of ${outcomes.length}`;
}

function times(ratio: number): string {
  return `×${ratio.toFixed(2)}`;
}

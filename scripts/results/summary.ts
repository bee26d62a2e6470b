import type { Figure } from '../bench/figures.js';
import type { FaultsData } from '../faults/report.js';
import type { BillFigure } from '../overhead/figures.js';
import type { Bill } from '../overhead/report.js';
import { figuresOf, type ScaleData } from '../scale/data.js';

/** Operations that the kernel tells Collector of, and work of others whose rate counts. */
const OPERATIONS: readonly string[] = ['connect', 'exec'];
const SERVERS: readonly string[] = ['redis', 'nginx', 'pgbench'];
/** Figures of Collector itself, by their names. */
const OWN = /idle|^memory at (10000 connections, before|1000000 )|records lost/;

const VERDICTS = { met: 'met', missed: '**missed**', open: 'not decided' } as const;

/** The figures of the front page: what others pay, what Collector takes, and what holds when things fail. */
export function summary(bill: Bill, scale: ScaleData, { outcomes }: FaultsData): string {
  const others = bill.figures.filter(
    ({ agent, place, verdict }) => agent === 'collector' && place === 'containers' && verdict !== undefined,
  );
  const kept = outcomes.filter(({ breaches }) => breaches.length === 0).length;
  const rows = [
    ...OPERATIONS.flatMap((name) =>
      payment(
        others.filter(({ workload }) => workload === name),
        bill,
      ),
    ),
    ...slowest(others.filter(({ workload, age }) => SERVERS.includes(workload) && age === 'warm')),
    ...figuresOf(scale)
      .filter(({ name }) => OWN.test(name))
      .map(ownCost),
    [
      'faults under load: nothing missing without a count',
      `${kept} of ${outcomes.length}`,
      'all',
      VERDICTS[kept === outcomes.length ? 'met' : 'missed'],
    ],
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(['', 'measured', 'target', '']), line(Array(4).fill('---')), ...rows.map(line)].join('\n');
}

/** What an operation in containers costs the node in processor time, Collector's own included. */
function payment(figures: readonly BillFigure[], { titles }: Bill): string[][] {
  const warm = figures.find(({ age }) => age === 'warm');
  if (warm === undefined) return [];
  const ratios = figures.map(({ age, node }) => `${age} ${times(node.ratio)}`).reverse();
  const { target, verdict } = warm.verdict!;
  return [
    [
      `${titles[warm.workload] ?? warm.workload}: node`,
      ratios.join(', '),
      target.replace('node ', ''),
      VERDICTS[verdict],
    ],
  ];
}

function slowest(servers: readonly BillFigure[]): string[][] {
  const [worst] = servers.toSorted((a, b) => b.clock.ratio - a.clock.ratio);
  if (worst === undefined) return [];
  const names = servers.map(({ workload }) => workload).join(', ');
  const { target, verdict } = worst.verdict!;
  const rate = (1 / worst.clock.ratio).toFixed(2);
  return [
    [`${names}: rate of the slowest`, `${rate} of bare`, target.replace('rate ', ''), VERDICTS[verdict]],
  ];
}

function ownCost({ name, unit, collector, target }: Figure): string[] {
  const isWhole = Number.isInteger(collector) || collector >= 100;
  const value = isWhole ? collector.toFixed(0) : collector.toPrecision(2);
  const title = name.replace(/^not idle/, 'Collector nearly at rest').replace(/^idle/, 'Collector at rest');
  const verdict = target === undefined ? '' : VERDICTS[target.met ? 'met' : 'missed'];
  return [title, `${value} ${unit}`, target?.text ?? '', verdict];
}

function times(ratio: number): string {
  return `×${ratio.toFixed(2)}`;
}

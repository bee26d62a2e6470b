import type { Figure } from '../bench/figures.js';
import type { FaultsData } from '../faults/report.js';
import type { BillFigure } from '../overhead/figures.js';
import type { Bill } from '../overhead/report.js';
import { figuresOf, type ScaleData } from '../scale/data.js';

/** Work of others whose rate counts. */
const SERVERS = ['redis', 'nginx', 'pgbench'];
const MEASURED = /^(memory at|longest hold of the loop around a tick at 1000000|lost at)/;

/** The figures of the front page: what others pay, what Collector takes, and what holds when things fail. */
export function summary(bill: Bill, scale: ScaleData, { outcomes }: FaultsData): string {
  const held = outcomes.filter(({ breaches }) => breaches.length === 0).length;
  const others = bill.figures.filter(
    ({ agent, place, age, verdict }) =>
      agent === 'collector' && place === 'containers' && age === 'warm' && verdict !== undefined,
  );
  const servers = others.filter(({ workload }) => SERVERS.includes(workload));
  const worst = servers.toSorted((a, b) => b.clock.ratio - a.clock.ratio)[0];
  const rows = [
    ...others.filter(({ verdict }) => verdict!.target.startsWith('node')).map((one) => payment(one, bill)),
    ...(worst === undefined
      ? []
      : [
          [
            `${servers.map(({ workload }) => workload).join(', ')}: the slowest`,
            times(worst.clock.ratio),
            worst.verdict!.target,
          ],
        ]),
    ...figuresOf(scale)
      .filter(({ name }) => name === 'idle' || MEASURED.test(name))
      .map(ownCost),
    ['faults under load with every event delivered or counted', `${held} of ${outcomes.length}`, 'all'],
  ];
  return ['| | measured | target |', '| --- | --- | --- |', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}

/** What the node pays for an operation in containers. */
function payment({ workload, node, verdict }: BillFigure, { titles }: Bill): string[] {
  return [titles[workload] ?? workload, times(node.ratio), verdict!.target];
}

function ownCost({ name, unit, collector, target }: Figure): string[] {
  const value = Number.isInteger(collector) ? collector.toLocaleString('en') : collector.toPrecision(2);
  return [name === 'idle' ? 'Collector at rest' : name, `${value} ${unit}`, target?.text ?? ''];
}

function times(ratio: number): string {
  return `×${ratio.toFixed(2)}`;
}

import type { BillFigure } from './figures.js';
import type { Interval } from './estimate.js';
import type { Place } from './site.js';
import type { Verdict } from './verdict.js';

/** The node's bill, as `npm run overhead` measures it. */
export interface Bill {
  /** Of a measured run, s. */
  readonly seconds: number;
  /** Before Collector counts as warm, s. */
  readonly warmUp: number;
  readonly agents: readonly { readonly name: string; readonly task: string }[];
  /** By the name of a workload. */
  readonly titles: Readonly<Record<string, string>>;
  readonly figures: readonly BillFigure[];
  readonly skipped: readonly Skipped[];
}

/** A workload or an agent that could not be had. */
export interface Skipped {
  readonly name: string;
  readonly why: string;
}

const HEAD = [
  'work',
  'agent',
  'rounds',
  'bare',
  'by the clock',
  'bare, node',
  'node',
  'agent itself',
  'target',
  '',
];
const wherever: Readonly<Record<Place, string>> = { containers: 'in containers', host: 'on the host' };

/** The bill in Markdown. */
export function render({ figures, agents, titles, skipped, seconds, warmUp }: Bill): string {
  const rows = figures.map((figure) => row(figure, titles));
  const lost = figures.filter((one) => one.lost > 0);
  return [
    notes(seconds, warmUp),
    table([HEAD, ...rows]),
    agents.map(({ name, task }) => `- ${name}: ${task}`).join('\n'),
    ...lost.map(
      ({ workload, place, agent, lost }) =>
        `Lost by ${agent} at ${workload} ${wherever[place]}, by its own count: ${lost} events.`,
    ),
    ...(skipped.length === 0 ? [] : [skippedText(skipped)]),
  ].join('\n\n');
}

function row(figure: BillFigure, titles: Bill['titles']): string[] {
  const { workload, place, agent, age, blocks, bare, clock, node, own, verdict } = figure;
  return [
    `${titles[workload] ?? workload}, ${wherever[place]}`,
    agent === 'collector' ? `${agent}, ${age}` : agent,
    String(blocks),
    time(bare.clock),
    interval(clock),
    time(bare.node),
    interval(node),
    time(own),
    verdict?.target ?? '',
    verdict === undefined ? '' : verdictText(verdict),
  ];
}

function notes(seconds: number, warmUp: number): string {
  return (
    `- _bare_: an operation without the agent. _by the clock_: its time with the agent to its time without.\n` +
    `- _node_: the same of processor time: of the work, the agent and the kernel's threads. _agent itself_: its part.\n` +
    `- _young_: the first ${seconds} s of work after the start, before V8 has compiled the code. _warm_: after ` +
    `${warmUp} s of the same work.\n` +
    `- In brackets: 95 % intervals. A target is missed if the whole interval is beyond it, and not decided if the ` +
    `interval crosses it. In each round: ${seconds} s without the agent, with it, and without it again.`
  );
}

function skippedText(skipped: readonly Skipped[]): string {
  const lines = skipped.map(({ name, why }) => `- ${name}: ${why.replaceAll(/\s+/g, ' ')}`);
  return `Not measured here (${skipped.length}):\n\n${lines.join('\n')}`;
}

function verdictText({ verdict, distance }: Verdict): string {
  if (verdict === 'met') return 'met';
  if (verdict === 'missed') return `missed by ${distance.toFixed(3)}`;
  return distance === 0 ? 'not decided' : `not decided: ${distance.toFixed(3)} off`;
}

function interval({ ratio, low, high }: Interval): string {
  const bounds = low === undefined || high === undefined ? 'too few' : `${low.toFixed(3)}–${high.toFixed(3)}`;
  return `×${ratio.toFixed(3)} (${bounds})`;
}

/** @param nanoseconds of an operation */
function time(nanoseconds: number): string {
  const [value, unit] =
    nanoseconds < 1e3
      ? [nanoseconds, 'ns']
      : nanoseconds < 1e6
        ? [nanoseconds / 1e3, 'µs']
        : ([nanoseconds / 1e6, 'ms'] as const);
  return `${value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
}

/** Aligned, as prettier wants it. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((cells) => cells[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const [head, ...others] = rows;
  return [line(head!), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n');
}

import type { MeasuredMachine } from '../results/result.js';
import type { Plan, Run } from './run.js';
import { floors, NOISE, type Comparison, type Delivery, type Difference, type Resource } from './verdict.js';
import { PROCESSES_PER_SECOND } from './workloads.js';

/** A finished comparison. */
export interface Report {
  readonly label: string | undefined;
  readonly machine: MeasuredMachine;
  readonly plan: Plan;
  readonly base: { readonly name: string; readonly runs: readonly Run[] };
  readonly own: { readonly name: string; readonly runs: readonly Run[] };
  /** Undefined without runs to compare with. */
  readonly comparison: Comparison | undefined;
  /** Sentences about the result, such as runs of another machine. */
  readonly notes: readonly string[];
}

const FULL_SECONDS = 60;

const names: Readonly<Record<Resource, string>> = { cpu: 'CPU, % of a core', memory: 'Memory, MiB' };
const digits: Readonly<Record<Resource, number>> = { cpu: 2, memory: 1 };

/** The result as Markdown, for a pull request. */
export function markdown({ label, machine, plan, base, own, comparison, notes }: Report): string {
  const { kernel, cpus, model, node } = machine;
  const runs = ({ runs, name }: Report['own']) =>
    `${name} (${runs.length} ${runs.length === 1 ? 'run' : 'runs'})`;
  return [
    `### Benchmark${label === undefined ? '' : `: ${label}`}`,
    '',
    ...(comparison === undefined
      ? [`Nothing to compare with: ${runs(own)}.`, '', ...table(aloneRows(own.runs))]
      : [
          conclusion(comparison),
          '',
          ...table([
            ['', 'base', 'this', 'difference', '95 % interval', 'likely noise', ''],
            ...comparison.differences.map(differenceRow),
            ...comparison.deliveries.map(deliveryRow),
          ]),
          '',
          `Base ${runs(base)}, this ${runs(own)}.`,
        ]),
    '',
    `${PROCESSES_PER_SECOND} processes a second and listening ports beside them, medians of ${plan.seconds} s after ` +
      `${plan.warmUp} s of warm-up; Linux ${kernel}, ${cpus} × ${model}, Node ${node}.`,
    ...(plan.seconds < FULL_SECONDS
      ? ['', `A short run: ${plan.seconds} s instead of ${FULL_SECONDS} s. Take it as a rough guess.`]
      : []),
    ...notes.flatMap((note) => ['', note]),
    '',
  ].join('\n');
}

function conclusion({ isRed, differences, deliveries }: Comparison): string {
  if (!isRed) return '🟢 **Green**: no more than likely noise, or than the differences left out.';
  const more = differences
    .filter(({ verdict }) => verdict === 'red')
    .map(({ resource, difference }) => `${names[resource]}: ${signed(difference, digits[resource])}`);
  const less = deliveries
    .filter(({ verdict }) => verdict === 'red')
    .map(({ work }) => `fewer ${work} delivered`);
  return `🔴 **Red**: ${[...more, ...less].join('; ')}.`;
}

function differenceRow({ resource, base, own, difference, interval, noise, verdict }: Difference): string[] {
  const text = (value: number) => value.toFixed(digits[resource]);
  const [low, high] = interval.map((value) => signed(value, digits[resource]));
  const said = {
    'left-out': `🟢 left out, below ${floors[resource]}`,
    noise: '🟢 noise',
    less: '🟢 less',
    red: '🔴 more',
  };
  return [
    names[resource],
    text(base),
    text(own),
    signed(difference, digits[resource]),
    `${low} … ${high}`,
    `${Math.round(noise * 100)} %`,
    said[verdict],
  ];
}

function deliveryRow({ work, base, own, verdict }: Delivery): string[] {
  return [
    `Delivered ${work}, %`,
    percent(base),
    percent(own),
    signed((own - base) * 100, 2),
    '',
    '',
    verdict === 'red' ? '🔴 less' : '🟢',
  ];
}

/** A row for each resource, of the runs of one build. */
function aloneRows(runs: readonly Run[]): string[][] {
  const all = (of: (run: Run) => readonly number[]) => runs.flatMap(of).toSorted((a, b) => a - b);
  const middle = (values: readonly number[], count: number) => values[values.length >> 1]!.toFixed(count);
  return [
    ['', 'this'],
    [
      names.cpu,
      middle(
        all(({ cpu }) => cpu),
        digits.cpu,
      ),
    ],
    [
      names.memory,
      middle(
        all(({ memory }) => memory),
        digits.memory,
      ),
    ],
    ...Object.keys(runs[0]!.made).map((work) => {
      const sum = (of: 'made' | 'delivered') =>
        runs.reduce((total, run) => total + run[of][work as keyof Run['made']], 0);
      return [`Delivered ${work}, %`, percent(sum('delivered') / sum('made'))];
    }),
  ];
}

/** @param rows with the heading first */
export function table(rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const [head, ...body] = rows;
  return [line(head!), line(head!.map((_, column) => (column === 0 ? '---' : '---:'))), ...body.map(line)];
}

function percent(share: number): string {
  return (share * 100).toFixed(2);
}

function signed(value: number, count: number): string {
  const text = Math.abs(value).toFixed(count);
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`;
}

/** The rule of the verdict in a sentence, for help and pages. */
export const RULE =
  `A difference of medians under ${floors.cpu} % of a core or ${floors.memory} MiB is left out; beyond it, one that ` +
  `is over ${NOISE * 100} % likely to be noise is green, as is a lower one; else it is red.`;

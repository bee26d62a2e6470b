import { ENDING_BOUND, inMib, MEMORY_BOUND, type Outcome } from './outcome.js';
import type { Counts } from './counts.js';
import type { Findings } from './fault.js';

/** The result of all faults, without logs. */
export interface FaultsData {
  readonly isShort: boolean;
  readonly outcomes: readonly SavedOutcome[];
}

type SavedOutcome = Omit<Outcome, 'findings'> & { readonly findings: Omit<Findings, 'log'> };

/** The form of outcomes to be saved. */
export function dataOf(outcomes: readonly Outcome[], isShort: boolean): FaultsData {
  return {
    isShort,
    outcomes: outcomes.map(({ findings: { log: _, ...findings }, ...outcome }) => ({ ...outcome, findings })),
  };
}

const HEAD = [
  'fault',
  's',
  'made',
  'delivered',
  'unwatched',
  'lost, by stage and cause',
  'the law',
  `MiB (≤ ${inMib(MEMORY_BOUND)})`,
  `SIGTERM, ms (≤ ${ENDING_BOUND})`,
  'the log says',
] as const;

/** A Markdown table, a row for each fault, and under it each breach of the law. */
export function render({ isShort, outcomes }: FaultsData): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const breaches = outcomes.flatMap(({ name, breaches }) =>
    breaches.map((breach) => `- \`${name}\`: ${breach}`),
  );
  const held = outcomes.filter(({ breaches }) => breaches.length === 0).length;
  return [
    `The law holds for ${held} of ${outcomes.length} faults${isShort ? ', in their short forms' : ''}. Programs and connections made are`,
    'numbered, and counted by number where they arrive: programs + connections.',
    '',
    line(HEAD),
    line(HEAD.map(() => '---')),
    ...outcomes.map((outcome) => line(row(outcome))),
    ...(breaches.length > 0 ? ['', 'Broken:', '', ...breaches] : []),
    '',
  ].join('\n');
}

function row({ title, seconds, findings, breaches }: SavedOutcome): string[] {
  const { ledger, memory, ending, said } = findings;
  const losses = ledger.losses.map(({ stage, cause, count }) => `${stage}, ${cause}: ${count}`);
  const lines = said.map(({ what, lines }) => `${what} (${lines})`);
  return [
    title,
    String(seconds),
    inWords(ledger.made),
    inWords(ledger.delivered),
    isNone(ledger.unwatched) ? '–' : inWords(ledger.unwatched),
    losses.length > 0 ? losses.join('; ') : '–',
    breaches.length === 0 ? 'holds' : `**broken**: ${breaches.join('; ')}`.replaceAll(/\s+/g, ' '),
    memory === 0 ? '–' : String(inMib(memory)),
    ending === undefined ? '–' : String(Math.round(ending)),
    lines.length > 0 ? lines.join('; ') : '–',
  ].map((cell) => cell.replaceAll('|', '\\|'));
}

function inWords({ execs, connections }: Counts): string {
  return `${execs} + ${connections}`;
}

function isNone({ execs, connections }: Counts): boolean {
  return execs === 0 && connections === 0;
}

import { Option, type Command } from 'commander';
import type { StatusView } from '../inspection/ask.js';
import type { Plain } from '../inspection/protocol.js';
import { escapeJson, printable } from '../telemetry/plain-text.js';
import { Client } from './client.js';
import { addAsking, addExamples, OUTPUT, zoneOf, type AskingOptions } from './options.js';
import type { Terminal } from './terminal.js';
import { ageText, dateText, type Zone } from './time.js';
import { wrap } from '../settings/help.js';

const MIB = 1024 * 1024;
const LABEL_WIDTH = 12;
const USUAL_WIDTH = 100;

interface StatusOptions extends AskingOptions {
  readonly brief?: true;
  readonly output: 'table' | 'json';
  readonly local?: true;
}

/** Adds `status`. @param end takes the exit code */
export function addStatus(program: Command, output: Terminal, end: (code: number) => void): void {
  const command: Command = program
    .command('status')
    .summary('how Collector is: one screen')
    .description(
      'Shows phase, driver, scans, Sensor, self-check, tables, losses and cost of Collector. Ends with 0 if it is well, 1 if not, 2 if it could not be asked.',
    );
  const asked = addAsking(command);
  const options = [
    new Option('--brief', 'one line'),
    new Option('-o, --output <form>', 'form of the output').choices(['table', 'json']).default('table'),
    new Option('--utc', 'times in UTC (default)').conflicts('local'),
    new Option('--local', 'times in the zone of this process'),
  ];
  for (const option of options) command.addOption(option.helpGroup(OUTPUT));
  addExamples(command, [
    ['status', 'what Collector lost and why, and whether Sensor is behind'],
    ['status --brief || echo "not well"', 'in a script'],
  ]);
  command.action(async (given: StatusOptions) => {
    const status = await new Client(asked.target(given)).json<StatusView>('/ask/status');
    if (given.output === 'json') output.line(escapeJson(JSON.stringify(status, undefined, 2)));
    else if (given.brief === true) output.line(brief(status));
    else output.line(screen(status, zoneOf(given), output.width ?? USUAL_WIDTH));
    end(status.problems.length === 0 ? 0 : 1);
  });
}

/** `well: …` or `not well: …` */
function brief(status: StatusView): string {
  const [first, ...more] = status.problems;
  if (first === undefined) return printable(`well: Collector ${status.version} on ${status.node} collects`);
  return printable(`not well: ${first}${more.length === 0 ? '' : ` (and ${more.length} more)`}`);
}

function screen(status: StatusView, zone: Zone, width: number): string {
  const { time, started, problems, readiness, sensor, losses, tables } = status;
  const root = contextOf(status, 'collector');
  const lost = losses.filter(({ count }) => count > 0);
  const full = tables.filter(({ entries, evicted }) => entries > 0 || evicted > 0);
  const sections: readonly (readonly [label: string, lines: readonly string[]])[] = [
    ['Collector', [`${status.version} on ${status.node}, kernel ${status.release}, Node ${status.nodeJs}`]],
    [
      'Is it well?',
      problems.length === 0
        ? ['yes']
        : problems.map((problem, index) => (index === 0 ? `no: ${problem}` : problem)),
    ],
    [
      'Phase',
      [
        `${phaseOf(status)}, process ${status.pid} since ${dateText(zone, started)} (${ageText(time - started)})`,
      ],
    ],
    ['Driver', driverLines(root)],
    ['Scans', [textAt(root, 'loaded', 'scanning', 'why') ?? 'not chosen yet']],
    ['Self-check', [selfCheckText(readiness)]],
    ['Sensor', sensor === '' ? ['none: standalone, messages go to standard output'] : sensorLines(status)],
    [
      'Lost',
      lost.length === 0
        ? ['nothing']
        : lost.map(({ stage, cause, count }) => `${count} in ${stage}: ${cause.replaceAll('_', ' ')}`),
    ],
    [
      'Tables',
      full.length === 0
        ? ['empty']
        : [
            full
              .map(
                ({ name, entries, capacity, evicted }) =>
                  `${name} ${entries} of ${capacity}${evicted > 0 ? ` (${evicted} evicted)` : ''}`,
              )
              .join('; '),
          ],
    ],
    ['BPF', [programsText(status)]],
    ['Cost', [costText(status)]],
  ];
  return sections
    .flatMap(([label, lines]) =>
      lines
        .flatMap((line) => wrap(printable(line), ' '.repeat(LABEL_WIDTH), Math.max(width, 2 * LABEL_WIDTH)))
        .map((line, index) => (index === 0 ? label.padEnd(LABEL_WIDTH) + line.slice(LABEL_WIDTH) : line)),
    )
    .join('\n');
}

function phaseOf({ actors }: StatusView): string {
  const active = actors.find(({ chart }) => chart === 'collector')?.snapshot.active ?? [];
  return active.map((id) => id.split('.').at(-1)).join(' → ') || 'start';
}

function driverLines(root: Plain | undefined): string[] {
  const origin = textAt(root, 'opened', 'origin');
  if (origin === undefined) return ['not found yet'];
  const isLoaded = at(root, 'diagnostics', 'driverLoaded') === true;
  const hooks = at(root, 'loaded', 'findings', 'hooks');
  const leftOut = (Array.isArray(hooks) ? (hooks as Plain[]) : []).flatMap((hook) => {
    const why = textAt(hook, 'leftOut');
    return why === undefined ? [] : [`without ${textAt(hook, 'hooks') ?? ''}: ${why}`];
  });
  return [`${origin}, ${isLoaded ? 'loaded' : 'not loaded yet'}`, ...leftOut];
}

function selfCheckText({ is, cause }: StatusView['readiness']): string {
  if (is === 'ready') return 'passed: events flow from the kernel';
  return is === 'waiting' ? 'not over yet' : `failed: ${cause ?? ''}`;
}

function sensorLines({ sensor, streams, queue }: StatusView): string[] {
  return [
    sensor,
    ...streams.map(({ name, state, breaks }) => `stream of ${name}: ${state}, broke ${breaks} times`),
    ...(queue === undefined
      ? []
      : [
          `queue of signals: ${queue.waiting} wait, ${mib(queue.bytes)} of ${mib(queue.capacity)}; ${queue.repeated} were sent twice`,
        ]),
  ];
}

function programsText({ programs, time, started }: StatusView): string {
  const sum = (of: 'events' | 'lost' | 'runs' | 'runNs') =>
    programs.reduce((total, one) => total + one[of], 0);
  const runs = sum('runs');
  const cost =
    runs === 0
      ? 'cost not measured (ROX_COLLECTOR_BPF_RUN_TIME=true measures it)'
      : `${Math.round(sum('runNs') / runs)} ns a run, ${(sum('runNs') / 1e4 / Math.max(time - started, 1)).toFixed(3)} % of a processor`;
  return `${sum('events')} events, ${sum('lost')} lost; ${cost}`;
}

function costText({ cpuMs, rss, time, started, stalls }: StatusView): string {
  const part = ((cpuMs / Math.max(time - started, 1)) * 100).toFixed(1);
  return `${part} % of a processor since the start, ${mib(rss)} of memory; the event loop stood still ${stalls} times`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function contextOf({ actors }: StatusView, chart: string): Plain | undefined {
  return actors.find((actor) => actor.chart === chart)?.snapshot.context;
}

function at(value: Plain | undefined, ...path: readonly string[]): Plain | undefined {
  let member: Plain | undefined = value;
  for (const name of path) {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return undefined;
    member = (member as Readonly<Record<string, Plain>>)[name];
  }
  return member;
}

function textAt(value: Plain | undefined, ...path: readonly string[]): string | undefined {
  const text = at(value, ...path);
  return typeof text === 'string' && text !== '' ? text : undefined;
}

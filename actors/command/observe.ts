import { InvalidArgumentError, Option, type Command } from 'commander';
import { eventFields, type EventNotice } from '../inspection/ask.js';
import type { EventRow } from '../inspection/protocol.js';
import { Client } from './client.js';
import { EventLines } from './event-lines.js';
import { chooseFields, EndlessTable, fieldsHelp, objectOf } from './fields.js';
import {
  addAsking,
  addExamples,
  addOutput,
  zoneOf,
  type AskingOptions,
  type OutputOptions,
} from './options.js';
import type { Terminal } from './terminal.js';
import { dateText, DURATION_FORM, parseDuration, parseWhen, WHEN_FORM } from './time.js';
import { eventViewFields } from './views.js';
import { escapeJson } from '../telemetry/plain-text.js';

const USUAL_LAST = 20;
const MOST_LAST = 10_000;
/** Longest wait of a timer of Node, ms. */
const LONGEST_WAIT = 2_147_483_647;
const WHICH = 'Which events:';

interface ObserveOptions extends AskingOptions, OutputOptions {
  readonly last?: number;
  readonly since?: number;
  readonly until?: number;
  readonly follow?: true;
  readonly count?: number;
  readonly timeout?: number;
}

/** Adds `observe`. @param output and errors: where answers and notices go */
export function addObserve(program: Command, output: Terminal, notice: (text: string) => void): void {
  const command: Command = program
    .command('observe')
    .summary('events: what starts, connects, listens and ends')
    .description(
      'Shows events in containers: first past ones, of which Collector keeps some ten thousand, then with --follow those to come.',
    );
  const now = Date.now();
  const which = [
    new Option(
      '--last <n>',
      `so many past events at most (default: ${USUAL_LAST}; with --since, all)`,
    ).argParser((text) => wholeNumber(text, 0, MOST_LAST)),
    new Option('--since <when>', `past events from then on: ${WHEN_FORM}`).argParser((text) =>
      when(text, now),
    ),
    new Option('--until <when>', `events until then: ${WHEN_FORM}`).argParser((text) => when(text, now)),
    new Option('-f, --follow', 'go on with what happens from now on'),
    new Option('--count <n>', 'end after so many events; waits for them as with --follow').argParser((text) =>
      wholeNumber(text, 1, Number.MAX_SAFE_INTEGER),
    ),
    new Option('--timeout <duration>', 'end after that time; until then as with --follow').argParser(
      duration,
    ),
  ];
  for (const option of which) command.addOption(option.helpGroup(WHICH));
  const asked = addAsking(command, eventFields);
  addOutput(command, 'compact');
  addExamples(command, [
    ['observe --follow --namespace=shop --event=exec', 'what starts in a namespace now'],
    ['observe --since=5m --pod=web-* --not --port=53', 'what pods did in the last five minutes, without DNS'],
  ]);
  command.action(async (options: ObserveOptions) => {
    if (options.fields === 'help') {
      output.line(fieldsHelp(eventViewFields));
      return;
    }
    const end = new AbortController();
    if (options.timeout !== undefined) setTimeout(() => end.abort(), options.timeout).unref();
    const shown = shownIn(command, options, output);
    const client = new Client(asked.target(options), end.signal);
    let left = options.count ?? Infinity;
    for await (const row of client.lines<EventRow | EventNotice>(
      asked.path('/ask/events', queryOf(options)),
    )) {
      if (!('kind' in row)) {
        tellGaps(row, options, notice);
        continue;
      }
      shown.add(row);
      if (--left <= 0) break;
    }
    end.abort();
    shown.end();
  });
}

function queryOf({ last, since, until, follow, count, timeout }: ObserveOptions): Record<string, string> {
  const limit = last ?? (since === undefined ? USUAL_LAST : undefined);
  const follows = follow ?? (count !== undefined || timeout !== undefined);
  return {
    ...(limit !== undefined && { last: String(limit) }),
    ...(since !== undefined && { since: String(since) }),
    ...(until !== undefined && { until: String(until) }),
    ...(follows && { follow: 'true' }),
  };
}

/** Names the gaps in the answer. */
function tellGaps(
  { oldest, missed }: EventNotice,
  options: ObserveOptions,
  notice: (text: string) => void,
): void {
  if (missed !== undefined)
    notice(
      `${missed} events are missing here: there were more than this command takes or Collector shows in a second.`,
    );
  const { since } = options;
  if (oldest !== undefined && since !== undefined && oldest > since)
    notice(`The events kept begin at ${dateText(zoneOf(options), oldest)}: older ones are not there.`);
}

/** A form of the output. */
interface Shown {
  readonly add: (row: EventRow) => void;
  readonly end: () => void;
}

function shownIn(command: Command, options: ObserveOptions, output: Terminal): Shown {
  const { output: form } = options;
  const fields = chooseFields(eventViewFields, form, options.fields);
  if (typeof fields === 'string') command.error(`error: option '--fields': ${fields}`);
  const zone = zoneOf(options);
  const width = form === 'wide' ? undefined : output.width;
  const end = (): void => undefined;
  const jsonOf = (row: EventRow) => escapeJson(JSON.stringify(objectOf(row, fields, zone)));
  let isFirst = true;
  if (form === 'jsonl') return { add: (row) => output.line(jsonOf(row)), end };
  if (form === 'json')
    return {
      add: (row) => {
        output.write(`${isFirst ? '[' : ','}\n${jsonOf(row)}`);
        isFirst = false;
      },
      end: () => output.line(isFirst ? '[]' : '\n]'),
    };
  if (form === 'compact' && options.fields === undefined) {
    const lines = new EventLines({ zone, color: output.hasColor(options.color), width });
    return { add: (row) => lines.of(row).forEach((line) => output.line(line)), end };
  }
  const table = new EndlessTable(fields, width);
  return {
    add: (row) => {
      const look = { zone, now: Date.now() };
      if (isFirst) output.line(table.head(look));
      isFirst = false;
      output.line(table.line(row, look));
    },
    end,
  };
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It has to be a whole number from ${least} to ${most}.`);
}

function when(text: string, now: number): number {
  const time = parseWhen(text, now);
  if (time === undefined) throw new InvalidArgumentError(`It has to be ${WHEN_FORM}.`);
  return time;
}

/** Takes a duration fit for a timer. */
export function duration(text: string): number {
  const value = parseDuration(text);
  if (value === undefined || value <= 0 || value > LONGEST_WAIT)
    throw new InvalidArgumentError(`It has to be ${DURATION_FORM}, of 24 days at most.`);
  return value;
}

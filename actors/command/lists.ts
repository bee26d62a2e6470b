import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { listFields, type ListName } from '../inspection/ask.js';
import { Client } from './client.js';
import { chooseFields, fieldOf, fieldsHelp, objectOf, sorted, tableLines, type Field } from './fields.js';
import { duration } from './observe.js';
import {
  addAsking,
  addExamples,
  addOutput,
  OUTPUT,
  zoneOf,
  type AskingOptions,
  type OutputOptions,
} from './options.js';
import type { Terminal } from './terminal.js';
import { dateText } from './time.js';
import { listViewFields } from './views.js';
import { escapeJson } from '../telemetry/plain-text.js';

const USUAL_PAUSE_MS = 2000;
/** Clears the screen and the lines scrolled off it, and goes to its top. */
const CLEAR = '\x1b[H\x1b[2J\x1b[3J';

interface ListOptions extends AskingOptions, OutputOptions {
  readonly sort: string;
  /** ms; true: the usual pause. */
  readonly watch?: number | true;
}

interface List {
  readonly name: string;
  readonly of: ListName;
  readonly summary: string;
  readonly description: string;
  readonly sort: string;
  readonly examples: readonly (readonly [line: string, what: string])[];
}

const lists: readonly List[] = [
  {
    name: 'ps',
    of: 'processes',
    summary: 'processes that run in containers',
    description: 'Lists the processes that run in containers now.',
    sort: 'container,pid',
    examples: [
      ['ps --namespace=shop --sort=age', 'the processes of a namespace, the youngest first'],
      ['ps --user=0 -o wide', 'what runs as root'],
    ],
  },
  {
    name: 'connections',
    of: 'connections',
    summary: 'connections that are open, and those of a moment ago',
    description: 'Lists the connections of containers now.',
    sort: 'container,remote',
    examples: [
      ['connections --pod=web-1', 'whom a pod talks to'],
      ['connections --not --address=10.0.0.0/8 --fields=container,remote', 'who talks to the world outside'],
    ],
  },
  {
    name: 'listening',
    of: 'listening',
    summary: 'ports that containers listen on, by whom and since when',
    description: 'Lists the ports that containers listen on now.',
    sort: 'port,container',
    examples: [
      ['listening --port=8080', 'who listens on a port, and since when'],
      ['listening --namespace=shop --sort=-age', 'the ports of a namespace, the oldest first'],
    ],
  },
  {
    name: 'containers',
    of: 'containers',
    summary: 'containers with their processes, connections and ports',
    description: 'Lists the containers that have a process, a connection or a listening port now.',
    sort: 'container',
    examples: [
      ['containers --sort=-connections', 'who has the most connections'],
      ['containers --namespace=shop --watch', 'the containers of a namespace, again and again'],
    ],
  },
];

/** Adds `ps`, `connections`, `listening` and `containers`. */
export function addLists(program: Command, output: Terminal): void {
  for (const list of lists) addList(program, list, output);
}

function addList(
  program: Command,
  { name, of, summary, description, sort, examples }: List,
  output: Terminal,
): void {
  const command: Command = program.command(name).summary(summary).description(description);
  const asked = addAsking(command, listFields[of]);
  addOutput(command, 'table');
  command.addOption(
    new Option('--sort <fields>', 'order of rows; - before a field turns it round')
      .default(sort)
      .helpGroup(OUTPUT),
  );
  command.addOption(
    new Option('--watch [pause]', 'ask again and again; the pause is 2s if it is not given')
      .argParser(duration)
      .helpGroup(OUTPUT),
  );
  addExamples(command, examples);
  // The fields of a list read its own rows.
  const all = listViewFields[of] as readonly Field<unknown>[];
  command.action(async (options: ListOptions) => {
    if (options.fields === 'help') {
      output.line(fieldsHelp(all));
      return;
    }
    const fields = chooseFields(all, options.output, options.fields);
    if (typeof fields === 'string') command.error(`error: option '--fields': ${fields}`);
    const order = orderOf(all, options.sort);
    if (typeof order === 'string') command.error(`error: option '--sort': ${order}`);
    const client = new Client(asked.target(options));
    for (;;) {
      let rows: unknown[] = [];
      for await (const row of client.lines(asked.path(`/ask/${of}`))) rows.push(row);
      for (const { field, descending } of order) rows = sorted(rows, field, descending);
      show(rows, fields, options, output);
      if (options.watch === undefined) return;
      await sleep(options.watch === true ? USUAL_PAUSE_MS : options.watch);
    }
  });
}

interface Order {
  readonly field: Field<unknown>;
  readonly descending: boolean;
}

/** The orders to sort by one after the other, the least important first. @returns the error in the text */
function orderOf(fields: readonly Field<unknown>[], text: string): readonly Order[] | string {
  const orders: Order[] = [];
  for (const part of text.split(',')) {
    const name = part.trim();
    const descending = name.startsWith('-');
    const field = fieldOf(fields, descending ? name.slice(1) : name);
    if (typeof field === 'string') return field;
    orders.unshift({ field, descending });
  }
  return orders;
}

function show(
  rows: readonly unknown[],
  fields: readonly Field<unknown>[],
  { output: form, watch, ...options }: ListOptions,
  output: Terminal,
): void {
  const zone = zoneOf(options);
  const now = Date.now();
  if (form === 'jsonl' || form === 'json') {
    const objects = rows.map((row) => objectOf(row, fields, zone));
    if (form === 'json') output.line(escapeJson(JSON.stringify(objects, undefined, 2)));
    else for (const object of objects) output.line(escapeJson(JSON.stringify(object)));
    return;
  }
  const width = form === 'wide' ? undefined : output.width;
  const lines = tableLines(rows, fields, { zone, now }, width);
  const head = watch === undefined ? [] : [dateText(zone, now), ''];
  // Where the screen can't be cleared, an empty line is between two tables.
  const end = watch === undefined || output.isTerminal ? '' : '\n';
  output.write(
    `${watch !== undefined && output.isTerminal ? CLEAR : ''}${[...head, ...lines].join('\n')}\n${end}`,
  );
}

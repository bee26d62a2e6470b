/** Options shared by subcommands. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { eventNames, filterFields, NOT, parseFilter, type FilterField } from '../inspection/filter.js';
import { table } from '../settings/table.js';
import type { Target } from './client.js';
import { outputs, type Output } from './fields.js';
import type { Zone } from './time.js';

export const ASKING = 'Which Collector to ask:';
export const FILTERS = 'Filters, each any number of times, --not before one turns it round:';
export const OUTPUT = 'Output:';

const SERVER = 'http://host:port, the HTTP server, with introspection on, to be asked instead of the socket';

/** Values of the options for the output. */
export interface OutputOptions {
  readonly output: Output;
  readonly fields?: string;
  readonly local?: true;
  /** False: --no-color. */
  readonly color: boolean;
}

export interface AskingOptions {
  readonly socket: string;
}

/** The filter and the server of a command line: --address is both. */
export class Asked {
  readonly query = new URLSearchParams();
  server: URL | undefined;
  /** --not waits for its filter. */
  isNegated = false;

  /** @throws InvalidArgumentError */
  add(field: FilterField, value: string): void {
    const name = this.isNegated ? NOT + field : field;
    this.isNegated = false;
    const error = parseFilter([[field, value]], [field]);
    if (typeof error === 'string')
      throw new InvalidArgumentError(`It has to be ${filterFields[field].allowed}.`);
    this.query.append(name, value);
  }

  target({ socket }: AskingOptions): Target {
    return { socket, server: this.server };
  }

  /** @param more parameters */
  path(route: string, more: Readonly<Record<string, string>> = {}): string {
    const query = new URLSearchParams([...this.query, ...Object.entries(more)]).toString();
    return query === '' ? route : `${route}?${query}`;
  }
}

/** Adds the options for the Collector to ask and, with fields to filter by, for the filter. */
export function addAsking(command: Command, fields: readonly FilterField[] = []): Asked {
  const asked = new Asked();
  const { environment, default: usual } = table.socket;
  for (const field of fields) addFilter(command, field, asked);
  if (fields.length > 0) {
    command.addOption(new Option('--not', 'the next filter must not match').helpGroup(FILTERS));
    command.on('option:not', () => (asked.isNegated = true));
  }
  const socket = new Option('--socket <file>', 'the socket of the running Collector');
  command.addOption(socket.env(environment!).default(usual).helpGroup(ASKING));
  if (!fields.includes('address'))
    command.addOption(
      new Option('--address <url>', SERVER)
        .argParser((value) => (asked.server = serverOf(value)))
        .helpGroup(ASKING),
    );
  command.hook('preAction', () => {
    if (asked.isNegated) command.error("error: option '--not' stands before the filter that it turns round");
  });
  return asked;
}

function addFilter(command: Command, field: FilterField, asked: Asked): void {
  const { allowed } = filterFields[field];
  switch (field) {
    case 'host':
      command.addOption(new Option('--host', "the host's own").helpGroup(FILTERS));
      command.on('option:host', () => asked.add('host', 'true'));
      return;
    case 'address':
      command.addOption(
        new Option('--address <address>', `${allowed}; or ${SERVER}`)
          .argParser((value) => {
            if (/^https?:/.test(value)) asked.server = serverOf(value);
            else asked.add('address', value);
          })
          .helpGroup(FILTERS),
      );
      return;
    case 'event':
      command.addOption(
        new Option('--event <event>', 'the kind of event')
          .choices(eventNames)
          .argParser((value) => asked.add('event', value))
          .helpGroup(FILTERS),
      );
      return;
    default:
      command.addOption(
        new Option(`--${field} <${field}>`, allowed)
          .argParser((value) => asked.add(field, value))
          .helpGroup(FILTERS),
      );
  }
}

function serverOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.username !== '')
    throw new InvalidArgumentError('It has to be http://host:port.');
  return url;
}

/** Adds the options for the form of the output. @param usual the form without -o */
export function addOutput(command: Command, usual: Output): void {
  const options = [
    new Option('-o, --output <form>', 'form of the output').choices(outputs).default(usual),
    new Option('--fields <names>', 'columns or members, separated by commas; help lists them'),
    new Option('--utc', 'times in UTC (default)').conflicts('local'),
    new Option('--local', 'times in the zone of this process'),
    new Option('--no-color', 'no colours, as with NO_COLOR in the environment'),
  ];
  for (const option of options) command.addOption(option.helpGroup(OUTPUT));
}

export function zoneOf({ local }: Pick<OutputOptions, 'local'>): Zone {
  return local === true ? 'local' : 'utc';
}

/** Adds examples below the options, each with its purpose. */
export function addExamples(
  command: Command,
  examples: readonly (readonly [line: string, what: string])[],
): void {
  const lines = examples.flatMap(([line, what]) => [`  # ${what}`, `  $ collector ${line}`]);
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

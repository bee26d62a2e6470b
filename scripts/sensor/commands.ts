import { isObject, jsonObject } from '../../actors/settings/parser.js';
import { shorten } from '../../actors/settings/shorten.js';
import type { ControlLists } from './control.js';
import { streamNames, type SensorDouble, type StreamName } from './double.js';

/** The objects a command acts on. */
export interface CommandTarget {
  readonly double: SensorDouble;
  readonly exit: () => void;
}

interface Command {
  /** An example, and the effect of the command. */
  readonly form: string;
  readonly help: string;
  /** @throws Error with the bad value and the allowed ones */
  readonly run: (value: unknown, to: CommandTarget, rest: Readonly<Record<string, unknown>>) => unknown;
}

const MOST_GRACE_MS = 600_000;

const table: Readonly<Record<string, Command>> = {
  control: {
    form: '{"control":{"networks":["10.0.0.0/8"],"publicIps":["203.0.113.7"]}}',
    help: 'Tells collectors, now and when they connect, either list or both.',
    run: (value, { double }) => double.control(asLists(value)),
  },
  raw: {
    form: '{"raw":"<base64>"}',
    help: 'Sends these bytes as a NetworkFlowsControlMessage.',
    run: (value, { double }) => double.send(asBytes(value)),
  },
  stall: {
    form: '{"stall":"signals"}',
    help: 'Reads no more from signals, network or both, so that collectors have to wait.',
    run: (value, { double }) => double.stall(...asStreams(value)),
  },
  resume: {
    form: '{"resume":"both"}',
    help: 'Reads them again.',
    run: (value, { double }) => double.resume(...asStreams(value)),
  },
  hangup: {
    form: '{"hangup":"network","how":"status"}',
    help: 'Ends streams with status UNAVAILABLE; with "how":"reset", breaks their connections.',
    run: (value, { double }, { how = 'status' }) => {
      const isReset = asOneOf(how, ['status', 'reset'], 'how') === 'reset';
      if (isReset) double.reset(...asStreams(value));
      else double.hangUp(...asStreams(value));
    },
  },
  goaway: {
    form: '{"goaway":1000}',
    help: 'Asks collectors to come by another connection, and breaks the old ones after so many ms.',
    run: (value, { double }) => double.goAway(asMilliseconds(value)),
  },
  refuse: {
    form: '{"refuse":true}',
    help: 'Ends all connections and takes no more; false: takes them again, at the same port.',
    run: (value, { double }) => (asBoolean(value) ? double.refuse() : double.accept()),
  },
  unimplemented: {
    form: '{"unimplemented":true}',
    help: 'Answers streams like a gRPC server that is not Sensor; false: no longer.',
    run: (value, { double }) => {
      double.unimplemented = asBoolean(value);
    },
  },
  exit: {
    form: '{"exit":true}',
    help: 'Ends.',
    run: (value, { exit }) => {
      if (asBoolean(value)) exit();
    },
  },
};

/**
 * Runs a command: one line with a JSON object.
 * @throws Error with the fault, and the allowed values
 */
export async function runCommand(line: string, to: CommandTarget): Promise<void> {
  const parsed = jsonObject.parse(line);
  if ('bad' in parsed) throw bad(line, 'command', Object.keys(table).map(quoted).join(', '));
  const given = Object.entries(parsed.value).filter(([name]) => Object.hasOwn(table, name));
  const strange = Object.keys(parsed.value).find((name) => !Object.hasOwn(table, name) && name !== 'how');
  if (given.length !== 1 || strange !== undefined) {
    throw bad(strange ?? line, 'command', `one of ${Object.keys(table).join(', ')}`);
  }
  const [[name, value]] = given as [[string, unknown]];
  await table[name]!.run(value, to, parsed.value);
}

/** The commands' part of the help. */
export function commandsHelp(): string {
  return Object.values(table)
    .map(({ form, help }) => `  ${form}\n      ${help}`)
    .join('\n');
}

function asStreams(value: unknown): readonly StreamName[] {
  const name = asOneOf(value, [...streamNames, 'both'], 'stream');
  return name === 'both' ? streamNames : [name as StreamName];
}

function asLists(value: unknown): ControlLists {
  const isText = (list: unknown) => Array.isArray(list) && list.every((text) => typeof text === 'string');
  const isGood =
    isObject(value) &&
    Object.entries(value).every(([name, list]) => ['networks', 'publicIps'].includes(name) && isText(list));
  if (!isGood) throw bad(value, 'control', 'networks and publicIps, each a list of texts');
  return value;
}

function asBytes(value: unknown): Buffer {
  if (typeof value !== 'string' || !/^[\w+/-]*=*$/.test(value)) throw bad(value, 'raw', 'a text in base64');
  return Buffer.from(value, 'base64');
}

function asMilliseconds(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MOST_GRACE_MS)
    throw bad(value, 'goaway', `a whole number of ms, 0 to ${MOST_GRACE_MS}`);
  return value;
}

function asBoolean(value: unknown): boolean {
  if (typeof value !== 'boolean') throw bad(value, 'command', 'true or false');
  return value;
}

function asOneOf(value: unknown, allowed: readonly string[], what: string): string {
  const found = allowed.find((word) => word === value);
  if (found === undefined) throw bad(value, what, allowed.join(', '));
  return found;
}

function quoted(name: string): string {
  return `{"${name}":…}`;
}

function bad(value: unknown, what: string, allowed: string): Error {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return new Error(`Bad ${what} '${shorten(text)}' on standard input (allowed: ${allowed})`);
}

import { parseArgs } from 'node:util';
import { closest } from '../../actors/settings/closest.js';
import { BadUsage, parseWords } from '../command.js';
import { installableNames } from './agents.js';
import type { Ready } from './process.js';
import type { Durations } from './rounds.js';
import { places, type Place } from './site.js';
import { workloads } from './workloads.js';

/** A run, as asked for. */
export interface Plan extends Durations {
  readonly help: boolean;
  /** Names, in the order of the table. */
  readonly workloads: readonly string[];
  readonly places: readonly Place[];
  /** Names of Collector and of agents to install. */
  readonly agents: readonly string[];
  readonly peers: readonly Peer[];
  /** Lives of each agent, for each workload and place. */
  readonly rounds: number;
  /** Time after which no further round begins, minutes; Infinity by default. */
  readonly minutes: number;
  /** Measured blocks are kept there, and count in the next run. */
  readonly journal: string | undefined;
  readonly install: boolean;
  readonly json: boolean;
  readonly save: boolean;
}

/** An agent given by its command. */
export interface Peer {
  readonly name: string;
  /** A line for a shell. */
  readonly command: string;
  readonly ready: Ready;
}

const agentNames = ['collector', ...installableNames];
const workloadNames = workloads.map(({ name }) => name);

const options = {
  only: { type: 'string' },
  places: { type: 'string' },
  agents: { type: 'string' },
  peer: { type: 'string', multiple: true },
  'peer-ready': { type: 'string', multiple: true },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  'warm-up': { type: 'string' },
  minutes: { type: 'string' },
  journal: { type: 'string' },
  quick: { type: 'boolean' },
  'no-install': { type: 'boolean' },
  json: { type: 'boolean' },
  save: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

export const HELP = `Usage: npm run overhead -- [arguments]

What others on the node pay for an agent: the same work without it, with it and
without it again, in so many rounds; ratios with their 95 % intervals. Needs root.

  --only=<workload>,…    ${workloadNames.join(', ')}.
                         Default: all.
  --places=<place>,…     ${places.join(', ')}. Default: both.
  --agents=<agent>,…     collector, by default; all; or peers from Debian:
                         ${installableNames.join(', ')}.
  --peer=<name>=<command>
                         Another agent, started by a shell; can be given again.
  --peer-ready=<when>    How to know that a peer is ready, in the order of the peers:
                         seconds, a file that appears (/…), or words in its output.
                         Default: 5 seconds.
  --rounds=<number>      Lives of each agent. Default: 30.
  --seconds=<number>     Of a measured run. Default: 1.
  --warm-up=<seconds>    Before Collector counts as warm. Default: 5.
  --quick                3 rounds of 0.3 s, 1 s of warm-up: no interval.
  --minutes=<number>     Begins no further round after so long.
  --journal=<file>       Keeps what was measured: the next run with it goes on there.
  --no-install           Skips what needs a package that is not installed.
  --json                 The figures as JSON; else a table in Markdown.
  --save                 Writes docs/results/overhead.json.
`;

/** @throws BadUsage with the value, its argument and the allowed values */
export function readPlan(words: readonly string[]): Plan {
  const values = parsed(words);
  const defaults =
    values.quick === true ? { rounds: 3, seconds: 0.3, warmUp: 1 } : { rounds: 30, seconds: 1, warmUp: 5 };
  const { agents = 'collector' } = values;
  return {
    help: values.help === true,
    workloads: listed('only', values.only, workloadNames),
    places: listed('places', values.places, places),
    agents: agents === 'all' ? agentNames : listed('agents', agents, agentNames),
    peers: readPeers(values.peer ?? [], values['peer-ready'] ?? []),
    rounds: number('rounds', values.rounds, { default: defaults.rounds, least: 1, whole: true }),
    seconds: number('seconds', values.seconds, { default: defaults.seconds, least: 0.05 }),
    warmUp: number('warm-up', values['warm-up'], { default: defaults.warmUp, least: 0.05 }),
    minutes: number('minutes', values.minutes, { default: Infinity, least: 0.1 }),
    journal: values.journal,
    install: values['no-install'] !== true,
    json: values.json === true,
    save: values.save === true,
  };
}

function parsed(words: readonly string[]) {
  for (const token of parseArgs({ args: [...words], options, strict: false, tokens: true }).tokens) {
    if (token.kind === 'positional') throw unknown(`'${token.value}'`, token.value);
    if (token.kind === 'option' && !Object.hasOwn(options, token.name))
      throw unknown(`'${token.rawName}'`, token.name);
  }
  return parseWords({ args: [...words], options }).values;
}

function unknown(shown: string, name: string): BadUsage {
  const meant = closest(name, Object.keys(options));
  const hint = meant === undefined ? '' : `: did you mean --${meant}?`;
  return new BadUsage(`Unknown argument ${shown}${hint} (allowed: --${Object.keys(options).join(', --')})`);
}

/** The named ones, in the order of the allowed. @param text undefined: all */
function listed<T extends string>(
  argument: string,
  text: string | undefined,
  allowed: readonly T[],
): readonly T[] {
  if (text === undefined) return allowed;
  const names = text.split(',');
  const bad = names.find((name) => !(allowed as readonly string[]).includes(name));
  if (bad !== undefined) {
    const meant = closest(bad, allowed);
    const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
    throw wrong(argument, bad, allowed.join(', '), hint);
  }
  return allowed.filter((name) => names.includes(name));
}

function number(
  argument: string,
  text: string | undefined,
  { default: usual, least, whole = false }: { default: number; least: number; whole?: boolean },
): number {
  if (text === undefined) return usual;
  const value = text.trim() === '' ? NaN : Number(text);
  if (!Number.isFinite(value) || value < least || (whole && !Number.isInteger(value)))
    throw wrong(argument, text, `${whole ? 'whole numbers' : 'numbers'} from ${least}`);
  return value;
}

function readPeers(peers: readonly string[], readies: readonly string[]): Peer[] {
  if (readies.length > peers.length)
    throw new BadUsage(`There are ${readies.length} --peer-ready, but only ${peers.length} --peer.`);
  const names = new Set(agentNames);
  return peers.map((text, index) => {
    const [, name, command] = /^([\w.-]+)=(.*\S.*)$/s.exec(text) ?? [];
    if (name === undefined || command === undefined)
      throw wrong('peer', text, 'a name of letters, digits, . _ and -, then = and a command');
    if (names.has(name)) throw wrong('peer', text, `a name other than ${[...names].join(', ')}`);
    names.add(name);
    return { name, command, ready: readReady(readies[index] ?? '5') };
  });
}

function readReady(text: string): Ready {
  if (text.trim() === '') throw wrong('peer-ready', text, 'seconds, a file (/…), or words of its output');
  if (text.startsWith('/')) return { file: text };
  const seconds = Number(text);
  return Number.isFinite(seconds) && seconds >= 0 ? { seconds } : { line: text };
}

function wrong(argument: string, value: string, allowed: string, hint = ''): BadUsage {
  return new BadUsage(`Bad value '${value}' for argument --${argument}${hint} (allowed: ${allowed})`);
}

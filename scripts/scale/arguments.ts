import { BadUsage, parseWords } from '../command.js';
import { parts, type Part } from './data.js';

export interface ScaleArguments {
  readonly quick: boolean;
  /** The parts to measure, in the order of a run. */
  readonly chosen: readonly Part[];
  readonly json: boolean;
  readonly save: boolean;
}

/** @throws BadUsage */
export function readArguments(words: readonly string[]): ScaleArguments {
  const { values, positionals } = parsed(words);
  if (positionals.length > 0)
    throw new BadUsage(
      `Bad argument '${positionals[0]}' (allowed: --quick, --only=<part>,…, --json, --save; or --fleet first)`,
    );
  const { quick = false, only, json = false, save = false } = values;
  const named = only?.split(',').map((name) => {
    const part = parts.find((known) => known === name);
    if (part === undefined)
      throw new BadUsage(
        `Bad value '${name}' for --only (allowed: ${parts.join(', ')}, commas between them)`,
      );
    return part;
  });
  if (quick && save)
    throw new BadUsage('Bad argument --save with --quick: the figures of a quick run are rough');
  const chosen = parts.filter((part) => named?.includes(part) ?? true);
  return { quick, chosen, json, save };
}

function parsed(words: readonly string[]) {
  return parseWords({
    args: [...words],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      json: { type: 'boolean' },
      save: { type: 'boolean' },
    },
  });
}

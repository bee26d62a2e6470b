import { closest } from './closest.js';
import { shorten } from './shorten.js';
import { collectorConfig, table } from './table.js';

/** The given arguments, by name and as text, and the errors of the command line itself. */
export interface CommandLine {
  readonly values: ReadonlyMap<string, string>;
  readonly errors: readonly string[];
}

/** Forms people try before they know the right ones. */
const shorthands: ReadonlyMap<string, string> = new Map([['-h', '--help']]);

const known: ReadonlyMap<string, { readonly form?: string; readonly alone?: string }> = new Map(
  [collectorConfig, ...Object.values(table)].flatMap((declaration) =>
    declaration.argument === undefined ? [] : [[declaration.argument, declaration] as const],
  ),
);

/**
 * Splits a command line into arguments: `--name=value`, `--name value`, and `--name` alone for a switch or an optional
 * value, given as `--name=value` only.
 * An argument given twice has its last value.
 * @param argv the words after the program's name
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const values = new Map<string, string>();
  const errors: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const equals = word.indexOf('=');
    const given = equals < 0 ? word : word.slice(0, equals);
    const name = shorthands.get(given) ?? given;
    const next = argv[i + 1];
    const hasNext = next !== undefined && !next.startsWith('--');
    const declaration = known.get(name);

    if (declaration === undefined) {
      errors.push(unknownArgument(name));
      // The word after an unknown argument is most likely its value: one mistake, one error.
      if (name.startsWith('--') && equals < 0 && hasNext) i++;
    } else if (equals >= 0) {
      values.set(name, word.slice(equals + 1));
    } else if (declaration.form === undefined) {
      values.set(name, 'true');
    } else if (declaration.alone !== undefined) {
      values.set(name, declaration.alone);
    } else if (hasNext) {
      values.set(name, next);
      i++;
    } else {
      errors.push(`Argument ${name} needs a value: ${name}=${declaration.form}`);
    }
  }
  return { values, errors };
}

function unknownArgument(name: string): string {
  const meant = closest(name, [...known.keys()]);
  const hint = meant === undefined ? '--help lists those that exist' : `did you mean ${meant}?`;
  return `Unknown argument '${shorten(name)}': ${hint}`;
}

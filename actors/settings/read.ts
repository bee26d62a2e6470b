import { flattenConfig } from './collector-config.js';
import { parseCommandLine } from './command-line.js';
import { applyRules, type Notice } from './rules.js';
import { shorten } from './shorten.js';
import { collectorConfig, table, type Declaration, type Settings } from './table.js';

/** The variables of a process, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface SettingsReport {
  /** Complete even with errors, bad values left out: good for --help and the log level, not to collect with. */
  readonly settings: Settings;
  /** To be logged. */
  readonly warnings: readonly Notice[];
  /** One line for each refused value. With any, Collector does not start. */
  readonly errors: readonly string[];
}

/** A text given for a setting, and its place. */
interface Given {
  readonly text: string;
  readonly place: string;
}

/**
 * Reads and validates all settings. A setting's value comes from the command line, else the COLLECTOR_CONFIG JSON,
 * else the environment, else its default. Overridden values are validated all the same.
 *
 * An empty environment variable counts as not set, unless empty text is a valid value of the setting.
 * @param argv the words after the program's name: `process.argv.slice(2)`
 */
export function readSettings(argv: readonly string[], env: Environment): SettingsReport {
  const commandLine = parseCommandLine(argv);
  const errors = [...commandLine.errors];
  const warnings: Notice[] = [];

  const fromArgument = (argument: string | undefined): Given[] => {
    const text = argument === undefined ? undefined : commandLine.values.get(argument);
    return text === undefined ? [] : [{ text, place: `argument ${argument}` }];
  };
  const fromEnvironment = ({ environment, parser }: Declaration<unknown>): Given[] => {
    const text = environment === undefined ? undefined : env[environment];
    if (text === undefined || (text === '' && 'bad' in parser.parse(''))) return [];
    return [{ text, place: `environment variable ${environment}` }];
  };
  /** The first good text's value; complaints about all bad ones. */
  const choose = <T>(declaration: Declaration<T>, given: readonly Given[]): T => {
    const values = given.flatMap(({ text, place }) => {
      const parsed = declaration.parser.parse(text);
      if ('value' in parsed) return [parsed.value];
      const why = parsed.why === undefined ? '' : `: ${parsed.why}`;
      errors.push(
        `Bad value '${shorten(parsed.bad)}' for ${place}${why} (allowed: ${declaration.parser.allowed})`,
      );
      return [];
    });
    return values.length > 0 ? values[0]! : declaration.default;
  };

  const configGiven = [...fromArgument(collectorConfig.argument), ...fromEnvironment(collectorConfig)];
  const config = flattenConfig(choose(collectorConfig, configGiven), keys);
  const fromConfig = (key: string | undefined): Given[] => {
    const text = key === undefined ? undefined : config.values.get(key);
    return text === undefined ? [] : [{ text, place: `key ${key} of COLLECTOR_CONFIG` }];
  };
  const values = Object.entries<Declaration<unknown>>(table).map(([name, declaration]) => {
    const given = [
      ...fromArgument(declaration.argument),
      ...fromConfig(declaration.key),
      ...fromEnvironment(declaration),
    ];
    return [name, choose(declaration, given)] as const;
  });

  for (const key of config.unknown) {
    warnings.push({
      level: 'warning',
      message: `COLLECTOR_CONFIG has an unknown key '${shorten(key)}'; it is ignored`,
    });
  }

  // The table gives every name its value's type; the compiler loses it on the way through Object.entries.
  const ruled = applyRules(Object.fromEntries(values) as Settings);
  warnings.push(...ruled.notices);
  errors.push(...ruled.errors);
  return { settings: deepFreeze(ruled.settings), warnings, errors };
}

const keys = new Set(
  Object.values<Declaration<unknown>>(table).flatMap(({ key }) => (key === undefined ? [] : [key])),
);

/** Freezes the settings and the lists in them; they are shared, the defaults even between reports. */
function deepFreeze(settings: Settings): Settings {
  Object.values(settings).forEach((value) => Object.freeze(value));
  return Object.freeze(settings);
}

import { readSettings } from '../../../actors/settings/read.js';
import { stateSettings } from '../../../actors/settings/state-settings.js';
import { table, type Declaration } from '../../../actors/settings/table.js';
import { formatLine } from '../../../actors/telemetry/line.js';
import { ensureLine, ensureRefusal } from '../checks.js';
import { mutateJson } from '../mutate-json.js';
import { HOSTILE } from '../mutate-text.js';
import type { Random } from '../random.js';
import { ensure, type Target } from '../target.js';

/** Settings as a deployment gives them. */
interface Given {
  readonly config: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const declarations = Object.values<Declaration<unknown>>(table);
const variables = declarations.flatMap(({ environment }) => environment ?? []);
const arguments_ = declarations.flatMap(({ argument }) => argument ?? []);
const SEEDS: readonly Given[] = [
  {
    config: '{"logLevel":"debug","scrapeInterval":30,"turnOffScrape":false,"tlsConfig":{"caCertPath":"/ca"}}',
    argv: ['--grpc-server=sensor:443', '--collection-method', 'core_bpf'],
    env: { ROX_AFTERGLOW_PERIOD: '20', ROX_IGNORE_NETWORKS: '10.0.0.0/8,fd00::/8', NODE_HOSTNAME: 'n' },
  },
  { config: '{}', argv: ['--replay=/tmp/x', '--inspect'], env: { ROX_COLLECTOR_LOG_LEVEL: 'trace' } },
];
const VALUES = [
  ...[
    'true',
    'false',
    '0',
    '1',
    '443',
    'sensor:443',
    '[::1]:443',
    '10.0.0.0/8',
    '::/0',
    '/tmp',
    'http://x/',
    'ws://x',
  ],
  ...[
    'debug',
    'all',
    'json',
    '0.5,0.9',
    '999999999999',
    '1.5',
    'a'.repeat(100_000),
    '1,'.repeat(10_000),
    '.'.repeat(50_000),
  ],
];

/** COLLECTOR_CONFIG, and beside it the environment and the command line. */
export const settingsTarget: Target = {
  holds: 'settings are read, or each bad value is named with its place and what is allowed',
  seeds: () => SEEDS.map((given) => Buffer.from(JSON.stringify(given))),
  mutate: (input, random) => Buffer.from(JSON.stringify(changed(givenIn(input) ?? SEEDS[0]!, random))),
  open: () => ({
    run: (input) => {
      const given = givenIn(input);
      if (given !== undefined) ensureSettings(given);
    },
  }),
};

/** What an error says beside the value. */
const EXPLAINED = /allowed: |Unknown argument|needs a value|excludes|goes with|(is|are) not given/;

function ensureSettings({ config, argv, env }: Given): void {
  const { settings, warnings, errors } = readSettings(argv, { COLLECTOR_CONFIG: config, ...env });
  for (const name of Object.keys(table)) ensure(name in settings, () => `${name} is missing`);
  stateSettings(settings);
  for (const { message } of warnings) ensureRefusal(message, /./, 'a warning');
  for (const error of errors) {
    ensureRefusal(error, EXPLAINED, 'an error');
    ensureLine(formatLine('error', 0, error), 'a log line');
  }
}

function givenIn(input: Buffer): Given | undefined {
  try {
    const { config, argv, env } = JSON.parse(input.toString()) as Readonly<Record<keyof Given, unknown>>;
    const words = Array.isArray(argv) ? argv.map(String) : [];
    const variables = Object.entries(env ?? {}).map(([name, value]) => [name, String(value)]);
    return { config: String(config), argv: words, env: Object.fromEntries(variables) as Given['env'] };
  } catch {
    return undefined;
  }
}

function changed(given: Given, random: Random): Given {
  const value = () => random.pick(random.oneIn(2) ? HOSTILE : VALUES);
  switch (random.below(6)) {
    case 0:
      return { ...given, env: { ...given.env, [random.pick(variables)]: value() } };
    case 1: {
      const argument: string = random.pick([...arguments_, '--collector-config', value()]);
      const forms = [[`${argument}=${value()}`], [argument, value()], [argument]];
      return { ...given, argv: [...given.argv, ...random.pick(forms)] };
    }
    case 2:
      return { ...given, argv: given.argv.slice(random.below(2)) };
    case 3:
      return { ...given, config: withKey(given.config, random, value()) };
    default:
      return { ...given, config: mutateJson(given.config, random) };
  }
}

const keys = declarations.flatMap(({ key }) => key ?? []);

function withKey(config: string, random: Random, value: string): string {
  const number = Number(value);
  const text = Number.isFinite(number) && value.trim() !== '' ? String(number) : JSON.stringify(value);
  const key = random.pick(keys);
  const [outer, inner] = key.split('.');
  const member = inner === undefined ? `"${outer}":${text}` : `"${outer}":{"${inner}":${text}}`;
  return config.endsWith('}') && config !== '{}' ? `${config.slice(0, -1)},${member}}` : `{${member}}`;
}

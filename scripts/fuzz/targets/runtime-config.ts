import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  EXTERNAL_IPS,
  MOST_CONNECTIONS_PER_MINUTE,
  type RuntimeConfig,
} from '../../../actors/settings/runtime-config.js';
import { RuntimeConfigFile } from '../../../actors/settings/runtime-config-file.js';
import { formatLine } from '../../../actors/telemetry/line.js';
import { ensureLine, ensureRefusal } from '../checks.js';
import { mutateBytes } from '../mutate-bytes.js';
import { mutateText } from '../mutate-text.js';
import { ensure, type Target } from '../target.js';

const WITHOUT: RuntimeConfig = { externalIps: 'none', maxConnectionsPerMinute: 2048 };
const SEEDS = [
  'networking:\n  externalIps:\n    enabled: ENABLED\n    direction: EGRESS\n  maxConnectionsPerMinute: 500\n',
  'networking: {externalIps: {enabled: DISABLED}}\n',
  '# nothing\n---\nnetworking: &n\n  maxConnectionsPerMinute: 0x10\nother: *n\n',
  '%YAML 1.1\n---\nnetworking:\n  <<: {maxConnectionsPerMinute: 1}\n',
  '? networking\n: externalIps: !!map {enabled: !!str ENABLED}\n',
  'networking: |\n  text\n',
];
const WORDS = [
  ...['networking', 'externalIps', 'enabled', 'direction', 'maxConnectionsPerMinute', 'ENABLED', 'BOTH'],
  ...[
    ': ',
    '\n',
    '\n  ',
    '- ',
    '? ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '!!set ',
    '!!omap ',
    '!!binary ',
    '!<tag:x> ',
  ],
  ...[
    '|',
    '>-',
    '---\n',
    '...\n',
    '<<: ',
    '%YAML 1.1\n',
    '"\\x',
    "''",
    '# ',
    '~',
    '2147483648',
    '- '.repeat(240),
  ],
];
/** What an error says of where and of what is wrong. */
const REFUSED =
  /cannot be used, and what was in force before still is: .*(allowed: |line \d+|Line \d+|UTF-8|has more than|at most|\*)/s;

/** The file of a ConfigMap, mounted while Collector runs. */
export const runtimeConfigTarget: Target = {
  holds: 'a bad file is refused with its place, and what was in force stays',
  seeds: () => SEEDS.map((text) => Buffer.from(text)),
  mutate: (input, random, other) =>
    random.oneIn(5)
      ? mutateBytes(input, random, other, WORDS)
      : Buffer.from(mutateText(input.toString(), random, other.toString(), WORDS)),
  open: () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-fuzz-config-'));
    const file = path.join(folder, 'runtime_config.yaml');
    const lines: { readonly level: string; readonly message: string }[] = [];
    const config = new RuntimeConfigFile(file, WITHOUT, (notice) => lines.push(notice));
    return {
      run: async (input) => {
        writeFileSync(file, input);
        const before = config.current;
        lines.length = 0;
        await config.read();
        for (const { level, message } of lines) {
          ensureLine(formatLine('info', 0, message), 'a log line');
          if (level !== 'error') continue;
          ensureRefusal(message, REFUSED, 'an error');
          ensure(config.current === before, () => 'what was in force has changed in spite of an error');
        }
        const { externalIps, maxConnectionsPerMinute: limit } = config.current;
        ensure(EXTERNAL_IPS.includes(externalIps), () => `externalIps is ${externalIps}`);
        ensure(
          Number.isInteger(limit) && limit >= 0 && limit <= MOST_CONNECTIONS_PER_MINUTE,
          () => `maxConnectionsPerMinute is ${limit}`,
        );
      },
      close: () => rmSync(folder, { recursive: true }),
    };
  },
};

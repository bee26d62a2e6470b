import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  parseRuntimeConfig,
  RuntimeConfigError,
  withoutFile,
  type RuntimeConfig,
} from '../../actors/settings/runtime-config.js';

const NOTHING = withoutFile({ externalIps: false });

function parsed(text: string, without: RuntimeConfig = NOTHING): RuntimeConfig {
  const { config, warnings } = parseRuntimeConfig(text, without);
  assert.deepEqual(warnings, []);
  return config;
}

function refusal(text: string): string {
  try {
    parseRuntimeConfig(text, NOTHING);
  } catch (error) {
    assert.ok(error instanceof RuntimeConfigError, String(error));
    return error.message;
  }
  throw new Error('It was not refused.');
}

const external = (...lines: string[]) =>
  ['networking:', '  externalIps:', ...lines.map((line) => `    ${line}`)].join('\n');

describe('a runtime configuration', () => {
  it('without a file is what the environment says', () => {
    assert.deepEqual(NOTHING, { externalIps: 'none', maxConnectionsPerMinute: 2048 });
    assert.deepEqual(withoutFile({ externalIps: true }), {
      externalIps: 'both',
      maxConnectionsPerMinute: 2048,
    });
  });

  describe('tells external IPs', () => {
    for (const [text, unset, set] of [
      [external('enabled: ENABLED'), 'both', 'both'],
      [external('enabled: DISABLED'), 'none', 'none'],
      [external('enabled: ENABLED', 'direction: INGRESS'), 'ingress', 'ingress'],
      [external('enabled: ENABLED', 'direction: EGRESS'), 'egress', 'egress'],
      [external('enabled: ENABLED', 'direction: BOTH'), 'both', 'both'],
      [external('direction: BOTH', 'enabled: DISABLED'), 'none', 'none'],
      [external('direction: INGRESS'), 'none', 'ingress'],
      [external('enabled:', 'direction:'), 'none', 'both'],
      [external('enabled: enabled', 'direction: "egress"'), 'egress', 'egress'],
      ['networking: {externalIps: {enabled: ENABLED, direction: INGRESS}}', 'ingress', 'ingress'],
      ['{"networking": {"externalIps": {"enabled": "ENABLED"}}}', 'both', 'both'],
      ['networking:\n  maxConnectionsPerMinute: 1', 'none', 'both'],
    ] as const) {
      it(`of ${unset}, or of ${set} when the environment turns them on, by ${JSON.stringify(text)}`, () => {
        assert.equal(parsed(text, withoutFile({ externalIps: false })).externalIps, unset);
        assert.equal(parsed(text, withoutFile({ externalIps: true })).externalIps, set);
      });
    }
  });

  it('limits the connections of a minute', () => {
    for (const limit of [0, 1, 2048, 2_147_483_647])
      assert.equal(parsed(`networking:\n  maxConnectionsPerMinute: ${limit}`).maxConnectionsPerMinute, limit);
  });

  it('may say nothing', () => {
    for (const text of [
      '',
      '\n',
      '# a comment\n',
      '---\n',
      'networking:',
      'networking: {}',
      'networking: null',
    ])
      assert.deepEqual(parsed(text), NOTHING, text);
  });

  describe('is refused, with the value, its place and what is allowed, when it has', () => {
    for (const [text, message] of [
      [
        external('enabled: YES'),
        "Bad value 'YES' of networking.externalIps.enabled at line 3, column 14 (allowed: ENABLED or DISABLED)",
      ],
      [
        external('enabled: true'),
        "Bad value 'true' of networking.externalIps.enabled at line 3, column 14 (allowed: ENABLED or DISABLED)",
      ],
      [
        external('enabled: ENABLED', 'direction: UP'),
        "Bad value 'UP' of networking.externalIps.direction at line 4, column 16 (allowed: INGRESS, EGRESS or BOTH)",
      ],
      [
        external('direction: [BOTH]'),
        "Bad value 'a list' of networking.externalIps.direction at line 3, column 16 (allowed: INGRESS, EGRESS or BOTH)",
      ],
      [
        'networking: on',
        "Bad value 'on' of networking at line 1, column 13 (allowed: a mapping with externalIps, maxConnectionsPerMinute)",
      ],
      ['networking', "Bad value 'networking' at line 1, column 1 (allowed: a mapping with networking)"],
      ['- networking', "Bad value 'a list' at line 1, column 1 (allowed: a mapping with networking)"],
      ...['-1', '1.5', '1e3', '0x10', 'many', '2147483648', '2048.0'].map(
        (value) =>
          [
            `networking:\n  maxConnectionsPerMinute: ${value}`,
            `Bad value '${value}' of networking.maxConnectionsPerMinute at line 2, column 28 (allowed: a whole number, 0 to 2147483647)`,
          ] as const,
      ),
    ] as const) {
      it(JSON.stringify(text), () => assert.equal(refusal(text), message));
    }

    it('no YAML', () => {
      assert.match(refusal('networking: {'), /^It is not YAML at line 1, column \d+: ./);
      assert.match(refusal('a: 1\na: 2'), /^It is not YAML at line 2, column 1: .*unique/);
      assert.match(refusal('---\na: 1\n---\na: 2'), /^It is not YAML at line 3, column 1: ./);
      assert.equal(
        refusal('networking: *nowhere'),
        'Nothing before *nowhere at line 1, column 13 has that name',
      );
    });

    it('levels to no end, before they are parsed', () => {
      for (const bracket of ['[', '{']) {
        const lines = `${bracket.repeat(100)}\n`.repeat(100);
        assert.equal(refusal(lines), 'Up to line 2 it has more than 100 brackets');
        assert.match(refusal(bracket.repeat(100)), /^It is not YAML/);
      }
      for (const nested of ['- ', '? ', ': ']) {
        assert.equal(refusal(`\n${nested.repeat(8000)}`), 'Line 2 has more than 500 characters');
      }
      assert.match(refusal('- '.repeat(250)), /^Bad value 'a list' at line 1/);
      assert.equal(parseRuntimeConfig('? '.repeat(250), NOTHING).warnings.length, 1);
      const deep = Array.from({ length: 170 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n');
      assert.equal(parseRuntimeConfig(deep, NOTHING).warnings.length, 1);
    });
  });

  it('warns of each unknown key by its name and place, and has the rest', () => {
    const text = [
      'networking:',
      '  externalIp: {}',
      '  externalIps: {enabled: ENABLED, since: 1}',
      'proc: 1',
      '__proto__: 1',
      'constructor: 1',
    ].join('\n');
    assert.deepEqual(parseRuntimeConfig(text, NOTHING), {
      config: { externalIps: 'both', maxConnectionsPerMinute: 2048 },
      warnings: [
        "Unknown key 'networking.externalIp' at line 2, column 3 is ignored; did you mean externalIps?",
        "Unknown key 'networking.externalIps.since' at line 3, column 35 is ignored",
        "Unknown key 'proc' at line 4, column 1 is ignored",
        "Unknown key '__proto__' at line 5, column 1 is ignored",
        "Unknown key 'constructor' at line 6, column 1 is ignored",
      ],
    });
  });

  it('names ten unknown keys and counts the others', () => {
    const text = Array.from({ length: 15 }, (_, index) => `key${index}: 1`).join('\n');
    const { warnings } = parseRuntimeConfig(text, NOTHING);
    assert.equal(warnings.length, 11);
    assert.equal(warnings.at(-1), '5 more unknown keys are ignored');
  });

  it('may repeat itself through an alias', () => {
    const text = 'x: &on ENABLED\nnetworking:\n  externalIps: &e {enabled: *on}';
    assert.equal(parseRuntimeConfig(text, NOTHING).config.externalIps, 'both');
  });

  it('is parsed or refused, whatever the text', () => {
    const word = fc.constantFrom(
      ...[
        'networking',
        'externalIps',
        'enabled',
        'ENABLED',
        'direction',
        'BOTH',
        'maxConnectionsPerMinute',
        '7',
      ],
      ...[
        ':',
        ' ',
        '\n',
        '  ',
        '{',
        '}',
        '[',
        ']',
        '&a',
        '*a',
        '!!',
        '|',
        '>',
        '-',
        '---',
        '<<',
        '"',
        '%',
        '?',
        ',',
      ],
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(text, (text) => {
        try {
          const { config } = parseRuntimeConfig(text, NOTHING);
          assert.ok(['none', 'ingress', 'egress', 'both'].includes(config.externalIps));
          assert.ok(Number.isInteger(config.maxConnectionsPerMinute));
        } catch (error) {
          assert.ok(error instanceof RuntimeConfigError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

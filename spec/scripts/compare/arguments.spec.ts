import assert from 'node:assert/strict';
import { BadUsage } from '../../../scripts/command.js';
import { HELP, readArguments } from '../../../scripts/compare/arguments.js';

function refusal(...words: string[]): string {
  try {
    readArguments(words);
  } catch (error) {
    assert.ok(error instanceof BadUsage);
    return error.message;
  }
  throw new Error(`${words.join(' ')} is accepted.`);
}

describe('the arguments of compare', () => {
  it('have defaults by what is compared', () => {
    const defaults = (...words: string[]) => {
      const { rounds, seconds } = readArguments(words);
      return { rounds, seconds };
    };
    assert.deepEqual(defaults(), { rounds: 1, seconds: 60 });
    assert.deepEqual(defaults('--base=main'), { rounds: 3, seconds: 60 });
    assert.deepEqual(defaults('--prove'), { rounds: 1, seconds: 15 });
    assert.equal(readArguments([]).baseline, '.cache/compare/baseline.json');
  });

  it('are read', () => {
    const given = readArguments([
      '--baseline=b.json',
      '--update-baseline',
      '--label=a b',
      '--json',
      '--fail-on-red',
    ]);
    assert.equal(given.baseline, 'b.json');
    assert.equal(given.label, 'a b');
    assert.ok(given.updateBaseline && given.json && given.failOnRed);
    assert.deepEqual(readArguments(['--prove', '--from=a', '--from=b']).from, ['a', 'b']);
  });

  for (const { words, says } of [
    {
      words: ['--seconds=4'],
      says: "Bad value '4' for argument --seconds (allowed: a whole number from 5 to 3600)",
    },
    { words: ['--seconds=1e1'], says: "Bad value '1e1' for argument --seconds" },
    {
      words: ['--rounds=0'],
      says: "Bad value '0' for argument --rounds (allowed: a whole number from 1 to 100)",
    },
    { words: ['--base='], says: 'Argument --base has no value (allowed: --base=…)' },
    { words: ['--base'], says: 'Argument --base has no value (allowed: --base=…)' },
    { words: ['--json=yes'], says: "Bad value 'yes' for argument --json (allowed: nothing behind it)" },
    { words: ['--bas=main'], says: "Unknown argument '--bas': did you mean --base?" },
    { words: ['main'], says: "Unknown argument 'main'" },
    { words: ['--base=a', '--baseline=b'], says: 'Arguments --base and --baseline exclude each other' },
    {
      words: ['--base=a', '--update-baseline'],
      says: 'Arguments --base and --update-baseline exclude each other',
    },
    { words: ['--programs'], says: 'Argument --programs needs --base' },
    { words: ['--real=2'], says: 'Argument --real needs --prove' },
    { words: ['--prove', '--base=a'], says: 'Arguments --base and --prove exclude each other' },
  ])
    it(`refuse ${words.join(' ')}, with the place and what is allowed`, () => {
      assert.ok(refusal(...words).includes(says), refusal(...words));
    });

  it('are refused all at once', () => {
    assert.equal(refusal('--seconds=x', '--rounds=x').split('\n').length, 2);
  });

  it('are all in the help', () => {
    const [, allowed = ''] = /\(allowed: (.*)\)/.exec(refusal('--strange')) ?? [];
    for (const name of allowed.split(', ')) assert.ok(HELP.includes(name), name);
  });
});

import assert from 'node:assert/strict';
import { BadUsage } from '../../scripts/command.js';
import { readArguments } from '../../scripts/scale/arguments.js';
import { parts } from '../../scripts/scale/data.js';

describe('the arguments of the measurement of scale', () => {
  it('are by default all parts, at full length, for people', () => {
    assert.deepEqual(readArguments([]), { quick: false, chosen: parts, json: false, save: false });
  });

  it('choose parts, in the order of a run', () => {
    assert.deepEqual(readArguments(['--only=state,idle']).chosen, ['idle', 'state']);
  });

  it('name a wrong value, its place and what is allowed', () => {
    const error = (...words: string[]) => {
      try {
        readArguments(words);
      } catch (error) {
        assert.ok(error instanceof BadUsage);
        return error.message;
      }
      return '';
    };
    assert.match(error('--only=idle,disk'), /'disk' for --only \(allowed: idle, sockets, .*state/);
    assert.match(
      error('now'),
      /'now' \(allowed: --quick, --only=<part>,…, --json, --save; or --fleet first\)/,
    );
    assert.match(error('--fast'), /--fast/);
    assert.match(error('--quick', '--save'), /--save with --quick/);
  });
});

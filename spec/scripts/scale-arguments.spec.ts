import assert from 'node:assert/strict';
import { BadUsage } from '../../scripts/command.js';
import { readArguments } from '../../scripts/scale/arguments.js';
import { parts } from '../../scripts/scale/data.js';
import { Progress } from '../../scripts/scale/progress.js';

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

describe('the progress of the measurement of scale', () => {
  it('tells the step and the time left, by the pace so far', () => {
    const progress = new Progress([
      ['idle', 40],
      ['fed', 60],
      ['rings', 100],
    ]);
    assert.equal(progress.next(0), '… idle (1 of 3), 3 min left');
    // The first step took three times as long as expected: half of that is believed.
    assert.equal(progress.next(120_000), '… fed (2 of 3), 5 min left');
    assert.equal(progress.next(150_000), '… rings (3 of 3), 2 min left');
  });
});

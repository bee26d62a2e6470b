import assert from 'node:assert/strict';
import type { WriteStream } from 'node:tty';
import { duration, Progress } from '../../../scripts/compare/progress.js';

describe('the progress', () => {
  it('has the run, and the time left by the plan and then by the runs done', () => {
    let now = 0;
    const written: string[] = [];
    const out = { isTTY: false, write: (text: string) => written.push(text) > 0 } as unknown as WriteStream;
    const progress = new Progress(3, 70, out, () => now);
    progress.begin('base');
    progress.show();
    now = 80;
    progress.end();
    progress.begin('this');
    assert.deepEqual(written, [
      '… run 1 of 3, base: 3 min 30 s left\n',
      '… run 2 of 3, this: 2 min 40 s left\n',
    ]);
  });

  for (const [seconds, text] of [
    [0, '0 s'],
    [59.2, '1 min 0 s'],
    [45, '45 s'],
    [185, '3 min 5 s'],
  ] as const)
    it(`writes ${seconds} s as ${text}`, () => assert.equal(duration(seconds), text));
});

import assert from 'node:assert/strict';
import { duration, Progress } from '../../scripts/progress.js';

describe('the progress', () => {
  let now: number;
  let written: string[];
  beforeEach(() => {
    now = 0;
    written = [];
  });
  const start = (planned: number, isTTY: boolean) =>
    new Progress(planned, { isTTY, write: (text) => written.push(String(text)) > 0 }, () => now);

  it('has the step, and the time left by the plan and then by how far off it was', () => {
    const progress = start(210, false);
    progress.begin('base');
    progress.show();
    now = 80_000;
    progress.done(70);
    progress.begin('this');
    now = 100_000;
    progress.done(130);
    progress.begin('the last');
    assert.deepEqual(written, [
      '… base: 3 min 30 s left\n',
      '… this: 2 min 40 s left\n',
      '… the last: 5 s left\n',
    ]);
  });

  it('counts down in one line of a terminal', () => {
    const progress = start(50, true);
    progress.begin('base');
    now = 20_000;
    progress.show();
    now = 70_000;
    progress.show();
    progress.done(50);
    const clear = '\u001b[K';
    assert.deepEqual(written, [
      `\r… base: 50 s left${clear}`,
      `\r… base: 30 s left${clear}`,
      `\r… base: 0 s left${clear}`,
      `\r${clear}`,
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

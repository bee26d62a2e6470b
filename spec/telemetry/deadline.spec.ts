import assert from 'node:assert/strict';
import { Deadline } from '../../actors/telemetry/deadline.js';

describe('A deadline', () => {
  it('stands still until it is started, once', () => {
    let now = 5;
    const deadline = new Deadline(100, () => now);
    assert.deepEqual([deadline.left, deadline.isStarted, deadline.isOver], [Infinity, false, false]);
    deadline.start();
    now = 45;
    assert.deepEqual([deadline.start().left, deadline.isStarted], [60, true]);
    now = 200;
    assert.deepEqual([deadline.left, deadline.isOver], [0, true]);
  });

  it('shares out what is left, so that no parts add up to more than the whole', () => {
    let now = 0;
    const deadline = new Deadline(1000, () => now).start();
    const first = deadline.share(0.5);
    assert.equal(first.left, 500);
    now = 600; // the first took too long
    assert.equal(first.left, 0);
    assert.equal(deadline.share(0.5).left, 200);
  });

  it('waits for work, and no longer than it lasts', async () => {
    assert.equal(await new Deadline(10_000).start().wait(Promise.resolve()), true);
    assert.equal(await new Deadline(10).start().wait(new Promise(() => undefined)), false);
    await assert.rejects(new Deadline(10_000).start().wait(Promise.reject(new Error('no'))), /no/);
  });
});

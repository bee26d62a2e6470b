import assert from 'node:assert/strict';
import { Sharers } from '../../actors/shares/sharers.js';

/** More than are remembered. */
const MANY = 20_000;

describe('whose share a container takes', () => {
  it('is its own, or that of the outermost container around it', () => {
    const sharers = new Sharers();
    assert.equal(sharers.of(2), 2);
    sharers.note(2, 1);
    sharers.note(3, 3);
    assert.deepEqual(
      [1, 2, 3].map((container) => sharers.of(container)),
      [1, 1, 3],
    );
  });

  it('is its own again once it turns out to be in no other one, such as when its name was made up before', () => {
    const sharers = new Sharers();
    sharers.note(2, 1);
    sharers.note(2, 2);
    assert.equal(sharers.of(2), 2);
  });

  it('is told to whoever watches, once for each change', () => {
    const sharers = new Sharers();
    const joined: number[][] = [];
    sharers.watch((...pair) => joined.push(pair));
    for (const outermost of [1, 1, 4]) sharers.note(2, outermost);
    sharers.note(3, 3);
    assert.deepEqual(joined, [
      [2, 1],
      [2, 4],
    ]);
  });

  it('is known of the latest ones, however many there are', () => {
    const sharers = new Sharers();
    for (let container = 2; container < MANY; container++) sharers.note(container, 1);
    assert.equal(sharers.of(MANY - 1), 1);
    assert.equal(sharers.of(2), 2);
  });
});

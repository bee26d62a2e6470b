import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { Sequence } from '../../actors/capture/sequence.js';

describe('A sequence of jobs', () => {
  let done: string[];
  let sequence: Sequence;

  beforeEach(() => {
    done = [];
    sequence = new Sequence({
      onPause: (pauses) => done.push(pauses ? 'pause' : 'go on'),
      onError: (error) => done.push(`error ${(error as Error).message}`),
    });
  });

  const job = (name: string, steps: number) =>
    function* () {
      for (let step = 1; step <= steps; step++) {
        done.push(`${name}${step}`);
        if (step < steps) yield;
      }
    };

  it('does a job without pauses at once', () => {
    sequence.add(job('a', 1));
    assert.deepEqual(done, ['a1']);
  });

  it('does a step in each turn of the event loop, and what comes meanwhile afterwards, in order', async () => {
    sequence.add(job('a', 3));
    sequence.add(job('b', 2));
    sequence.add(job('c', 1));
    assert.deepEqual(done, ['a1', 'pause']);
    await turn();
    assert.deepEqual(done.slice(2), ['a2']);
    await turn();
    assert.deepEqual(done.slice(3), ['a3', 'b1']);
    await turn();
    assert.deepEqual(done.slice(5), ['b2', 'c1', 'go on']);
    sequence.add(job('d', 1));
    assert.equal(done.at(-1), 'd1');
  });

  it('lets a job that adds one end first', () => {
    sequence.addStep(() => {
      sequence.add(job('b', 1));
      done.push('a1');
    });
    assert.deepEqual(done, ['a1', 'b1']);
  });

  it('tells of what a job throws, and does the next', async () => {
    sequence.add(function* () {
      yield;
      throw new Error('a defect');
    });
    sequence.add(job('b', 1));
    await turn();
    assert.deepEqual(done, ['pause', 'error a defect', 'b1', 'go on']);
  });

  it('does nothing any more once it is closed', async () => {
    sequence.add(job('a', 3));
    sequence.add(job('b', 1));
    sequence.close();
    sequence.add(job('c', 1));
    await turn();
    await turn();
    assert.deepEqual(done, ['a1', 'pause']);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MessageQueue, type QueuedMessage } from '../../actors/sensor/queue.js';

const ROOMY = 1e9;

function message(number: number, length = 8): QueuedMessage {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32LE(number);
  return { bytes, container: 0, worth: 1 };
}

function takeAll(queue: MessageQueue): number[] {
  const taken: number[] = [];
  for (let next; (next = queue.take()) !== undefined;) taken.push(next.bytes.readUInt32LE());
  return taken;
}

describe('the queue of messages to Sensor', () => {
  it('gives messages in their order, each once', () => {
    const queue = new MessageQueue(ROOMY);
    for (let n = 0; n < 3; n++) queue.push(message(n));
    assert.equal(queue.counts.waiting, 3);
    assert.deepEqual(takeAll(queue), [0, 1, 2]);
    assert.equal(queue.take(), undefined);
    assert.deepEqual(
      { ...queue.counts, bytes: 0 },
      { waiting: 0, unconfirmed: 3, bytes: 0, dropped: 0, uncertain: 0, repeated: 0 },
    );
  });

  it('gives once more what was not confirmed when the stream broke, ahead of what is newer', () => {
    const queue = new MessageQueue(ROOMY);
    for (let n = 0; n < 4; n++) queue.push(message(n));
    queue.take();
    queue.take();
    queue.confirm(1);
    queue.rewind();
    queue.push(message(4));
    assert.deepEqual(takeAll(queue), [1, 2, 3, 4]);
    assert.equal(queue.counts.repeated, 1);
  });

  it('lets go of what is confirmed', () => {
    const queue = new MessageQueue(ROOMY);
    for (let n = 0; n < 5000; n++) queue.push(message(n));
    takeAll(queue);
    queue.confirm(queue.position);
    assert.equal(queue.counts.bytes, 0);
    queue.rewind();
    assert.equal(queue.take(), undefined);
  });

  it('drops the oldest when it is full, and counts all of them: never sent, or sent and not confirmed', () => {
    const queue = new MessageQueue(10_000);
    for (let n = 0; n < 20; n++) queue.push(message(n, 872)); // 1000 bytes each, with what keeping it takes
    assert.equal(queue.counts.dropped, 10);
    assert.deepEqual(takeAll(queue), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    for (let n = 20; n < 25; n++) queue.push(message(n, 872));
    assert.equal(queue.counts.dropped, 10);
    assert.equal(queue.counts.uncertain, 5);
    queue.rewind();
    assert.deepEqual(takeAll(queue), [15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
  });

  it('counts what a loss is worth', () => {
    const queue = new MessageQueue(1000);
    queue.push({ ...message(1, 800), worth: 7 });
    queue.take();
    queue.push({ ...message(2, 800), worth: 5 });
    queue.push({ ...message(3, 800), worth: 1 });
    assert.deepEqual([queue.counts.uncertain, queue.counts.dropped], [7, 5]);
  });

  it('has room as long as what was not sent leaves some', () => {
    const queue = new MessageQueue(1000);
    queue.push(message(1, 400));
    assert.equal(queue.hasRoom(400), false);
    queue.take();
    assert.equal(queue.hasRoom(400), true);
    queue.rewind();
    assert.equal(queue.hasRoom(400), false);
    queue.take();
    queue.confirm(1);
    assert.equal(queue.hasRoom(800), true);
  });

  it('drops a message that is larger than the queue', () => {
    const queue = new MessageQueue(1000);
    queue.push(message(1, 2000));
    assert.equal(queue.take(), undefined);
    assert.deepEqual(queue.counts, {
      ...{ waiting: 0, unconfirmed: 0, bytes: 0, dropped: 1, uncertain: 0, repeated: 0 },
    });
  });

  it('holds 10 minutes of 50 execs a second in its default of 16 MiB', () => {
    const queue = new MessageQueue(16 * 1024 * 1024);
    for (let n = 0; n < 10 * 60 * 50; n++) queue.push(message(n, 400));
    assert.equal(queue.counts.dropped, 0);
    assert.equal(takeAll(queue).length, 30_000);
  });

  it('never loses, reorders or exceeds its bound silently, whatever happens to it', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ push: fc.integer({ min: 4, max: 400 }), container: fc.nat(3) }) },
      { weight: 4, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 5 }) }) },
      { weight: 1, arbitrary: fc.record({ confirm: fc.integer({ min: 0, max: 60 }) }) },
      { weight: 1, arbitrary: fc.constant({ rewind: true }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.integer({ min: 600, max: 6000 }),
        (steps, capacity) => {
          const queue = new MessageQueue(capacity);
          const confirmed = new Set<number>();
          const sent: number[] = [];
          const places = new Map<number, number>();
          let pushed = 0;
          let last = -1;
          for (const now of steps) {
            if ('push' in now) queue.push({ ...message(pushed++, now.push), container: now.container });
            else if ('confirm' in now) {
              const before = queue.position;
              queue.confirm(Math.min(now.confirm, before));
              for (const [one, place] of places) if (place < now.confirm) confirmed.add(one);
            } else if ('rewind' in now) {
              queue.rewind();
              last = -1;
            } else {
              for (let n = 0; n < now.take; n++) {
                const taken = queue.take()?.bytes.readUInt32LE();
                if (taken === undefined) break;
                assert.ok(taken > last, 'in order');
                last = taken;
                sent.push(taken);
                places.set(taken, queue.position - 1);
              }
            }
            const { bytes, waiting, unconfirmed, dropped, uncertain } = queue.counts;
            assert.ok(bytes <= capacity);
            const held = waiting + unconfirmed;
            assert.ok(pushed <= confirmed.size + held + dropped + uncertain, 'everything is accounted for');
            assert.ok(held + dropped + uncertain <= pushed, 'nothing is counted twice');
            assert.equal(waiting, pushed - dropped - new Set(sent).size);
          }
        },
      ),
    );
  });

  it('drops the oldest of the container with most bytes, and never of one that has less than a fair share', () => {
    const queue = new MessageQueue(100_000);
    const of = (container: number, number: number) => ({ ...message(number, 872), container });
    for (let n = 0; n < 5; n++) queue.push(of(1, n));
    for (let n = 10; n < 5000; n++) queue.push(of(2, n));
    for (let n = 5; n < 8; n++) queue.push(of(1, n));
    const taken = takeAll(queue);
    assert.deepEqual(
      taken.filter((n) => n < 10),
      [0, 1, 2, 3, 4, 5, 6, 7],
    );
    assert.deepEqual([taken.length, taken.at(-4)], [100, 4999]);
    assert.equal(queue.counts.dropped, 4998 - 100);
    assert.deepEqual(
      queue.refusals.take().map(({ container }) => container),
      [2],
    );
  });

  it('keeps its positions over what was dropped in between', () => {
    const queue = new MessageQueue(5000);
    const of = (container: number, number: number) => ({ ...message(number, 872), container });
    queue.push(of(1, 0));
    for (let n = 1; n < 8; n++) queue.push(of(2, n));
    assert.deepEqual(
      [queue.take(), queue.take()].map((taken) => taken!.bytes.readUInt32LE()),
      [0, 4],
    );
    // Both are on their way: none has arrived.
    assert.equal(queue.positionBefore(2), 0);
    queue.confirm(queue.positionBefore(1));
    queue.rewind();
    assert.deepEqual(takeAll(queue), [4, 5, 6, 7]);
    assert.equal(queue.counts.repeated, 1);
  });

  it('takes no place for what was dropped, however long the oldest stays', () => {
    const queue = new MessageQueue(10_000);
    queue.push({ ...message(0, 872), container: 1 });
    for (let n = 1; n < 200_000; n++) queue.push({ ...message(n, 872), container: 2 });
    assert.equal(queue.counts.waiting, 10);
    assert.ok(queue.slots < 4000, `${queue.slots}`);
  });
});

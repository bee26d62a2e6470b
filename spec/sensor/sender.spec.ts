import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ScannedQueue } from '../../actors/sensor/scanned-queue.js';
import { MessageQueue, type QueuedMessage } from '../../actors/sensor/queue.js';
import { StreamSender } from '../../actors/sensor/sender.js';

const KIB = 1024;
const WINDOW = 64 * KIB;
/** Its own, so that a message is 1 KiB with what keeping it takes. */
const LENGTH = KIB - 128;
/** Messages that leave in one write. */
const IN_A_WRITE = Math.ceil((16 * KIB) / LENGTH);

function message(number: number, length = LENGTH): QueuedMessage {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32LE(number);
  return { bytes, container: 0, worth: 1 };
}

/** A peer whose HTTP/2 holds a window of bytes at most, and whose reader reads when it is told to. */
class Peer {
  readonly read: number[] = [];
  readonly #window: number;
  /** The last message of a write has its `flushed`. */
  #written: { readonly bytes: Buffer; readonly flushed: () => void }[] = [];
  writes = 0;
  #held: Buffer[] = [];

  constructor(window = WINDOW) {
    this.#window = window;
  }

  /** Bytes that were written and have not left. */
  get waiting(): number {
    return this.#written.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  readonly stream = {
    write: (messages: readonly Buffer[], flushed: () => void) => {
      this.writes++;
      const last = messages.length - 1;
      for (const [at, bytes] of messages.entries())
        this.#written.push({ bytes, flushed: at === last ? flushed : () => undefined });
    },
    window: () => this.#window,
  };

  /** Takes what fits into the window, then has its reader read so many messages, over and over. */
  advance(reads: number): void {
    for (;;) {
      const held = this.#held.reduce((sum, { length }) => sum + length, 0);
      const next = this.#written[0];
      if (next !== undefined && held + next.bytes.length <= this.#window) {
        this.#written.shift();
        this.#held.push(next.bytes);
        next.flushed();
      } else if (reads-- > 0 && this.#held.length > 0) {
        this.read.push(this.#held.shift()!.readUInt32LE());
      } else return;
    }
  }
}

describe('The sender of messages to Sensor', () => {
  it('has no more on their way out than it may, and the rest waits in the queue', () => {
    const queue = new MessageQueue(1e9);
    const sender = new StreamSender([queue]);
    const peer = new Peer();
    sender.opened(peer.stream);
    for (let n = 0; n < 1000; n++) queue.push(message(n));
    sender.flow();
    assert.ok(peer.waiting <= 65 * KIB, `${peer.waiting} bytes`);
    assert.ok(queue.counts.waiting > 900);
    peer.advance(2000);
    assert.deepEqual(
      peer.read,
      Array.from({ length: 1000 }, (_, n) => n),
    );
    assert.ok(sender.isIdle);
    sender.closed();
  });

  it('writes at once what waits, one queue after the other', () => {
    const queues = [new MessageQueue(1e9), new MessageQueue(1e9)] as const;
    const sender = new StreamSender(queues);
    for (let n = 0; n < 10; n++) queues[n % 2 === 0 ? 1 : 0].push(message(n));
    const peer = new Peer();
    sender.opened(peer.stream);
    sender.flow();
    assert.equal(peer.writes, 1);
    peer.advance(99);
    assert.deepEqual(peer.read, [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]);
    assert.ok(sender.isIdle);
    assert.equal(sender.sent, 10);
    sender.closed();
  });

  it('confirms what more than a window of later bytes has left after, and nothing else', () => {
    const queue = new MessageQueue(1e9);
    const sender = new StreamSender([queue]);
    const peer = new Peer();
    sender.opened(peer.stream);
    for (let n = 0; n < 60; n++) queue.push(message(n));
    sender.flow();
    peer.advance(0);
    assert.ok(sender.isIdle, 'all of it has left');
    assert.equal(queue.counts.unconfirmed, 60, 'and may lie unread');
    for (let n = 60; n < 1000; n++) queue.push(message(n));
    sender.flow();
    peer.advance(2000);
    const unconfirmed: number = queue.counts.unconfirmed;
    assert.ok(unconfirmed >= WINDOW / LENGTH && unconfirmed < 200, `${unconfirmed} of 1000`);
    sender.closed();
  });

  it('brings one queue before the other', () => {
    const [first, second] = [new MessageQueue(1e9), new MessageQueue(1e9)];
    const sender = new StreamSender([first, second]);
    second.push(message(1));
    first.push(message(0));
    const peer = new Peer();
    sender.opened(peer.stream);
    sender.flow();
    peer.advance(9);
    assert.deepEqual(peer.read, [0, 1]);
    sender.closed();
  });

  it('lets go of all that had left on a stream that turns out to have been read to its end', () => {
    const queue = new MessageQueue(1e9);
    const sender = new StreamSender([queue]);
    const peer = new Peer();
    sender.opened(peer.stream);
    for (let n = 0; n < 120; n++) queue.push(message(n));
    sender.flow();
    peer.advance(0);
    const left = WINDOW / LENGTH;
    const arrived = sender.closed();
    assert.equal(queue.counts.unconfirmed + queue.counts.waiting, 120);
    arrived();
    const rest = queue.counts.unconfirmed + queue.counts.waiting;
    assert.ok(rest <= 120 - Math.floor(left) + IN_A_WRITE, 'a write counts once all of it has left');
    assert.ok(queue.counts.unconfirmed + queue.counts.waiting > 0, 'but not of what had not');
  });

  it('never loses a message uncounted, whatever a peer with a window does', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 120 }) }) },
      { weight: 4, arbitrary: fc.record({ read: fc.integer({ min: 0, max: 200 }) }) },
      { weight: 1, arbitrary: fc.constant({ breaks: true }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 16 * KIB, max: 512 * KIB }),
        fc.integer({ min: KIB, max: 128 * KIB }),
        (steps, capacity, window) => {
          const queue = new MessageQueue(capacity);
          const sender = new StreamSender([queue]);
          const received = new Set<number>();
          let made = 0;
          let peer = new Peer(window);
          sender.opened(peer.stream);
          const breaks = () => {
            peer.read.forEach((number) => received.add(number));
            sender.closed();
            peer = new Peer(window);
          };
          for (const now of steps) {
            if ('push' in now) {
              for (let n = 0; n < now.push; n++) queue.push(message(made++));
              sender.flow();
            } else if ('read' in now) peer.advance(now.read);
            else {
              breaks();
              sender.opened(peer.stream);
              sender.flow();
            }
          }
          breaks();
          const { waiting, unconfirmed, dropped, uncertain } = queue.counts;
          assert.ok(made <= received.size + waiting + unconfirmed + dropped + uncertain);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('The queue of found processes', () => {
  const found = (number: number, process: string) => ({ ...message(number), process });
  const takeAll = ({ queue }: ScannedQueue): number[] => {
    const taken: number[] = [];
    for (let next; (next = queue.take()) !== undefined;) taken.push(next.bytes.readUInt32LE());
    return taken;
  };

  it('tells once more, after the next scan, which processes a broken stream may not have brought', () => {
    const queue = new ScannedQueue(1e6);
    queue.push(found(0, 'lives on'), true);
    queue.push(found(1, 'ends'), true);
    assert.deepEqual(takeAll(queue), [0, 1]);
    queue.streamBroke();
    assert.deepEqual(takeAll(queue), [], 'a scan comes first');
    assert.equal(queue.counts.unconfirmed, 2);
    queue.push(found(2, 'lives on'), true);
    assert.deepEqual(takeAll(queue), [2]);
    queue.scanEnded();
    assert.deepEqual(takeAll(queue), [1]);
    queue.queue.confirm(queue.queue.position);
    assert.deepEqual(queue.counts, {
      ...{ waiting: 0, unconfirmed: 0, bytes: 0, dropped: 0, uncertain: 0, repeated: 0 },
    });
  });

  it('holds what is found without a stream', () => {
    const queue = new ScannedQueue(1e6);
    queue.push(found(0, 'one'), false);
    assert.deepEqual(takeAll(queue), []);
    queue.scanEnded();
    assert.deepEqual(takeAll(queue), [0]);
  });

  it('has a scan wait when half of its room is taken, and counts what does not wait', () => {
    const queue = new ScannedQueue(20 * KIB);
    for (let n = 0; n < 9; n++) queue.push(found(n, `${n}`), true);
    assert.equal(queue.hasRoom, true);
    for (let n = 9; n < 30; n++) queue.push(found(n, `${n}`), true);
    assert.equal(queue.hasRoom, false);
    assert.equal(queue.counts.dropped, 10);
    takeAll(queue);
    queue.streamBroke();
    for (let n = 30; n < 60; n++) queue.push(found(n, `${n}`), false);
    assert.ok(queue.counts.bytes <= 2 * 20 * KIB);
    assert.equal(queue.counts.dropped + queue.counts.uncertain + queue.counts.unconfirmed, 60);
  });
});

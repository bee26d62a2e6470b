import { createHash } from 'node:crypto';
import type { ProcessSignal } from '../processes/signal.js';
import type { Refusal } from '../shares/refusals.js';
import { ScannedQueue } from './scanned-queue.js';
import { signalMessage } from './messages.js';
import { MessageQueue, type QueueCounts } from './queue.js';
import { StreamSender } from './sender.js';
import type { OpenStream, StreamUser } from './stream.js';

/**
 * Brings process signals to the current stream: scanned processes first, since a new stream's reader knows none, then
 * started ones in their order.
 */
export class SignalSender implements StreamUser {
  readonly registration: Buffer;
  readonly #started: MessageQueue;
  readonly #scanned: ScannedQueue;
  readonly #sender: StreamSender;
  readonly #onOpened: () => void;
  readonly #onRoom: () => void;
  #hadRoom = true;

  /**
   * @param capacity bytes of the started processes' queue; scanned ones have half as many
   * @param onOpened a stream has opened and its reader knows of no process yet; called before anything queued is sent
   * @param onRoom a scan waiting for `hasRoom` can go on
   */
  constructor(capacity: number, registration: Buffer, onOpened: () => void, onRoom: () => void) {
    this.registration = registration;
    this.#started = new MessageQueue(capacity);
    this.#scanned = new ScannedQueue(capacity / 2);
    this.#sender = new StreamSender([this.#scanned.queue, this.#started]);
    this.#onOpened = onOpened;
    this.#onRoom = onRoom;
  }

  get isOpen(): boolean {
    return this.#sender.isOpen;
  }

  get counts(): QueueCounts {
    return addCounts(this.#started.counts, this.#scanned.counts);
  }

  /** Containers with dropped signals, each once in a run. */
  takeRefusals(): Refusal[] {
    return [this.#started, this.#scanned.queue].flatMap(({ refusals }) => refusals.take());
  }

  /** Whether signals of a container were dropped for want of room. @param sharer owner of its share */
  hasDropped(sharer: number): boolean {
    return [this.#started, this.#scanned.queue].some(({ refusals }) => refusals.has(sharer));
  }

  /** Messages sent by this process, ever. */
  get sent(): number {
    return this.#sender.sent;
  }

  /** Whether there is room for more scanned processes; without a stream they are not sent anyway. */
  get hasRoom(): boolean {
    return !this.isOpen || this.#scanned.hasRoom;
  }

  /** Sends the signals of a fact, in one write if there is room for it. */
  send(signals: readonly ProcessSignal[]): void {
    for (const signal of signals) {
      const message = { bytes: signalMessage(signal), container: signal.sharer, worth: 1 };
      if (signal.scraped) this.#scanned.push({ ...message, process: processKey(signal) }, this.isOpen);
      else this.#started.push(message);
    }
    this.#sender.flow();
    this.#hadRoom = this.hasRoom;
  }

  /** A scan for a new stream is over. */
  scanEnded(): void {
    if (!this.isOpen) return;
    this.#scanned.scanEnded();
    this.#sender.flow();
  }

  /** Resolves when all has left this process, or could not since the stream broke. */
  async idle(): Promise<void> {
    return this.#sender.idle();
  }

  opened(stream: OpenStream): void {
    this.#sender.opened({
      ...stream,
      write: (messages, flushed) =>
        stream.write(messages, () => {
          flushed();
          this.#announceRoom();
        }),
    });
    this.#onOpened();
    this.#sender.flow();
  }

  closed(): () => void {
    const arrived = this.#sender.closed();
    this.#scanned.streamBroke();
    this.#announceRoom();
    return arrived;
  }

  #announceRoom(): void {
    if (this.#hadRoom || !this.hasRoom) return;
    this.#hadRoom = true;
    this.#onRoom();
  }
}

/** Identifies a process by the same text in each scan. */
function processKey({ pid, path, args }: ProcessSignal): string {
  return createHash('sha256').update(`${pid}\0${path}\0${args}`).digest('base64');
}

function addCounts(a: QueueCounts, b: QueueCounts): QueueCounts {
  return {
    waiting: a.waiting + b.waiting,
    unconfirmed: a.unconfirmed + b.unconfirmed,
    bytes: a.bytes + b.bytes,
    dropped: a.dropped + b.dropped,
    uncertain: a.uncertain + b.uncertain,
    repeated: a.repeated + b.repeated,
  };
}

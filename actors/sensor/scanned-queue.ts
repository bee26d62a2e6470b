import { Shares } from '../shares/shares.js';
import { MessageQueue, type QueuedMessage, type QueueCounts } from './queue.js';

/** A message about a process found by a scan. */
export interface ScannedMessage extends QueuedMessage {
  /** Identifies the process: the same text in each scan. */
  readonly process: string;
}

/**
 * Queues scanned processes on their way to Sensor. When a stream breaks, its messages are held back until the first
 * scan for the next stream is over: the scan lists most of them again, and only the missing ones are sent once more.
 */
export class ScannedQueue {
  readonly queue: MessageQueue;
  /** Messages of broken streams, by process. */
  readonly #doubtful = new Map<string, ScannedMessage>();
  readonly #shares: Shares<string>;
  #uncertain = 0;

  /** @param capacity bytes */
  constructor(capacity: number) {
    this.queue = new MessageQueue(capacity);
    this.#shares = new Shares(capacity);
  }

  get counts(): QueueCounts {
    const { unconfirmed, bytes, uncertain, ...counts } = this.queue.counts;
    return {
      ...counts,
      unconfirmed: unconfirmed + this.#doubtful.size,
      bytes: bytes + this.#shares.used,
      uncertain: uncertain + this.#uncertain,
    };
  }

  /** Whether a scan may go on: half of the room is left. */
  get hasRoom(): boolean {
    return this.queue.hasRoom(this.queue.capacity / 2);
  }

  /** @param isOpen whether there is a stream; without one, the next stream's first scan comes before the message */
  push(message: ScannedMessage, isOpen: boolean): void {
    this.#forget(message.process);
    if (isOpen) this.queue.push(message);
    else this.#doubt(message);
  }

  /** The stream broke. */
  streamBroke(): void {
    for (const message of this.queue.empty()) this.#doubt(message as ScannedMessage);
  }

  /** The first scan of a stream is over, and the stream is open. */
  scanEnded(): void {
    const messages = [...this.#doubtful.values()];
    for (const { process } of messages) this.#forget(process);
    for (const message of messages) this.queue.push(message);
  }

  #doubt(message: ScannedMessage): void {
    this.#forget(message.process);
    this.#doubtful.set(message.process, message);
    this.#shares.add(message.container, message.process, message.bytes.length);
    for (let excess; (excess = this.#shares.excess()) !== undefined;) {
      const { worth } = this.#doubtful.get(excess.member)!;
      this.#uncertain += worth;
      this.queue.refusals.note(excess.owner, worth);
      this.#forget(excess.member);
    }
  }

  #forget(process: string): void {
    const message = this.#doubtful.get(process);
    if (message === undefined) return;
    this.#doubtful.delete(process);
    this.#shares.remove(message.container, process);
  }
}

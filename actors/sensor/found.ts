import { MessageQueue, type Message, type QueueCounts } from './queue.js';

/** A message about a process that a scan found. */
export interface FoundMessage extends Message {
  /** Names the process, the same in each scan. */
  readonly process: string;
}

/**
 * Found processes on their way to Sensor. A stream's first scan finds again what its predecessor may not have
 * delivered, so a broken stream's messages are held back until that scan is over; then only the processes it did not find
 * are sent once more.
 */
export class FoundQueue {
  readonly queue: MessageQueue;
  /** Messages of broken streams, by process. */
  readonly #doubtful = new Map<string, FoundMessage>();
  #doubtfulBytes = 0;
  #uncertain = 0;

  /** @param capacity bytes */
  constructor(capacity: number) {
    this.queue = new MessageQueue(capacity);
  }

  get counts(): QueueCounts {
    const { unconfirmed, bytes, uncertain, ...counts } = this.queue.counts;
    return {
      ...counts,
      unconfirmed: unconfirmed + this.#doubtful.size,
      bytes: bytes + this.#doubtfulBytes,
      uncertain: uncertain + this.#uncertain,
    };
  }

  /** Whether a scan may go on: half of the room is left. */
  get hasRoom(): boolean {
    return this.queue.hasRoom(this.queue.capacity / 2);
  }

  /** @param isOpen whether there is a stream; else the next one's first scan comes before the message */
  push(message: FoundMessage, isOpen: boolean): void {
    this.#forget(message.process);
    if (isOpen) this.queue.push(message);
    else this.#doubt(message);
  }

  /** The stream broke. */
  closed(): void {
    for (const message of this.queue.empty()) this.#doubt(message as FoundMessage);
  }

  /** The first scan of a stream is over, and the stream is open. */
  scanned(): void {
    const messages = [...this.#doubtful.values()];
    this.#doubtful.clear();
    this.#doubtfulBytes = 0;
    for (const message of messages) this.queue.push(message);
  }

  #doubt(message: FoundMessage): void {
    this.#forget(message.process);
    this.#doubtful.set(message.process, message);
    this.#doubtfulBytes += message.bytes.length;
    for (const [process, { bytes, worth }] of this.#doubtful) {
      if (this.#doubtfulBytes <= this.queue.capacity) break;
      this.#doubtful.delete(process);
      this.#doubtfulBytes -= bytes.length;
      this.#uncertain += worth;
    }
  }

  #forget(process: string): void {
    const message = this.#doubtful.get(process);
    if (message === undefined) return;
    this.#doubtful.delete(process);
    this.#doubtfulBytes -= message.bytes.length;
  }
}

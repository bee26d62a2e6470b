import type { Audience } from '../capture/facts.js';
import { MessageQueue, type QueueCounts } from './queue.js';
import { StreamSender } from './sender.js';
import type { OpenStream, StreamUser } from './stream.js';

/**
 * Brings deltas to the current stream. While one has not left, or no stream is open, the next has no audience: a later
 * delta will cover all changes. A new stream gets the unconfirmed deltas once more, since no later delta repeats ends,
 * and then the full state.
 */
export class NetworkSender implements StreamUser {
  readonly registration: Buffer;
  readonly received: (message: Buffer) => Promise<void>;
  readonly #queue: MessageQueue;
  readonly #sender: StreamSender;
  #isFresh = false;

  /**
   * @param capacity bytes of deltas that wait at most
   * @param onReceived takes a message of Sensor; the next one follows when its promise is fulfilled
   */
  constructor(capacity: number, registration: Buffer, onReceived: (message: Buffer) => Promise<void>) {
    this.registration = registration;
    this.received = onReceived;
    this.#queue = new MessageQueue(capacity);
    this.#sender = new StreamSender([this.#queue]);
  }

  /** Counts deltas; a lost one counts as the number of ends in it. */
  get counts(): QueueCounts {
    return this.#queue.counts;
  }

  /** The audience of a delta made now. The caller has to make that delta. */
  audience(): Audience {
    if (!this.#sender.isOpen || !this.#sender.isIdle) return 'none';
    const audience = this.#isFresh ? 'fresh' : 'same';
    this.#isFresh = false;
    return audience;
  }

  /**
   * Sends a delta or a part of it, on the next stream if this one broke meanwhile. Without room it is left out: the
   * full state follows later, without the ends, and these are counted as lost.
   * @param ends connections and endpoints reported as ended in the message
   */
  send(message: Buffer, ends: number): void {
    if (this.#queue.hasRoom(message.length)) {
      this.#queue.push({ bytes: message, container: 0, worth: ends });
      this.#sender.flow();
    } else {
      this.#queue.drop(ends);
      this.#isFresh = true;
    }
  }

  /** Resolves when the last delta has left this process, or could not since the stream broke. */
  async idle(): Promise<void> {
    return this.#sender.idle();
  }

  opened(stream: OpenStream): void {
    this.#isFresh = true;
    this.#sender.opened(stream);
    this.#sender.flow();
  }

  closed(): () => void {
    return this.#sender.closed();
  }
}

import type { Audience } from '../capture/facts.js';
import { MessageQueue, type QueueCounts } from './queue.js';
import { StreamSender } from './sender.js';
import type { OpenStream, StreamUser } from './stream.js';

/**
 * Brings deltas to the stream of the moment. While one has not left, or no stream is open, nobody hears the next: it
 * will be made of all that has changed by then. A new stream gets the unconfirmed deltas once more, since ends are in
 * no later one, and then all there is.
 */
export class NetworkSender implements StreamUser {
  readonly registration: Buffer;
  readonly received: (message: Buffer) => Promise<void>;
  readonly #queue: MessageQueue;
  readonly #sender: StreamSender;
  #isFresh = false;

  /**
   * @param capacity bytes of deltas that wait at most
   * @param onReceived takes what Sensor sends, and the next message when it is done with one
   */
  constructor(capacity: number, registration: Buffer, onReceived: (message: Buffer) => Promise<void>) {
    this.registration = registration;
    this.received = onReceived;
    this.#queue = new MessageQueue(capacity);
    this.#sender = new StreamSender([this.#queue]);
  }

  /** Of deltas; a lost one counts as many as the ends in it. */
  get counts(): QueueCounts {
    return this.#queue.counts;
  }

  /** Who hears a delta that is made now; asking is a promise to make it. */
  audience(): Audience {
    if (!this.#sender.isOpen || !this.#sender.isIdle) return 'none';
    const audience = this.#isFresh ? 'fresh' : 'same';
    this.#isFresh = false;
    return audience;
  }

  /**
   * Sends a delta or a part of it, on the next stream if this one broke meanwhile. One that has no room is left out:
   * all there is follows later, but for the ends in it, which are counted.
   * @param ends connections and endpoints that the message says have ended
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

  drained(): void {
    this.#sender.drained();
  }

  closed(): () => void {
    return this.#sender.closed();
  }
}

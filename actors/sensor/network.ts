import type { Audience } from '../capture/facts.js';
import type { OpenStream, StreamUser } from './stream.js';

/**
 * Brings deltas to the stream of the moment. None is ever queued: while the last one has not left, or no stream is open,
 * nobody listens, and the next delta will be made of all that has changed by then.
 */
export class NetworkSender implements StreamUser {
  readonly registration: Buffer;
  readonly received: (message: Buffer) => Promise<void>;
  #stream: OpenStream | undefined;
  /** The stream that hears the delta of the moment: whoever is fresher hears the next one, from its beginning. */
  #listening: OpenStream | undefined;
  /** Messages that have not left yet. */
  #leaving = 0;
  #isFresh = false;
  #onIdle: (() => void) | undefined;

  /** @param onReceived takes what Sensor sends, and the next message when it is done with one */
  constructor(registration: Buffer, onReceived: (message: Buffer) => Promise<void>) {
    this.registration = registration;
    this.received = onReceived;
  }

  /** Who hears a delta that is made now; asking is a promise to make it. */
  audience(): Audience {
    this.#listening = this.#leaving > 0 ? undefined : this.#stream;
    if (this.#listening === undefined) return 'none';
    const audience = this.#isFresh ? 'fresh' : 'same';
    this.#isFresh = false;
    return audience;
  }

  /** Sends a delta or a part of it to the one who hears it. */
  send(message: Buffer): void {
    const stream = this.#listening;
    if (stream === undefined || stream !== this.#stream) return;
    this.#leaving++;
    stream.write(message, () => {
      if (stream !== this.#stream) return;
      this.#leaving--;
      if (this.#leaving === 0) this.#onIdle?.();
    });
  }

  /** Resolves when the last delta has left this process. */
  async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (this.#leaving === 0) resolve();
    });
  }

  opened(stream: OpenStream): void {
    this.#stream = stream;
    this.#leaving = 0;
    this.#isFresh = true;
  }

  drained(): void {
    // The end of a write says the same.
  }

  closed(): void {
    this.#stream = undefined;
    this.#leaving = 0;
    this.#onIdle?.();
  }
}

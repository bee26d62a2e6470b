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
  #isBusy = false;
  #isFresh = false;
  #onIdle: (() => void) | undefined;

  /** @param onReceived takes what Sensor sends, and the next message when it is done with one */
  constructor(registration: Buffer, onReceived: (message: Buffer) => Promise<void>) {
    this.registration = registration;
    this.received = onReceived;
  }

  /** Who hears a delta that is made now; asking is a promise to make it. */
  audience(): Audience {
    if (this.#stream === undefined || this.#isBusy) return 'none';
    const audience = this.#isFresh ? 'fresh' : 'same';
    this.#isFresh = false;
    return audience;
  }

  send(message: Buffer): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#isBusy = true;
    stream.write(message, () => {
      if (stream !== this.#stream) return;
      this.#isBusy = false;
      this.#onIdle?.();
    });
  }

  /** Resolves when the last delta has left this process. */
  async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (!this.#isBusy) resolve();
    });
  }

  opened(stream: OpenStream): void {
    this.#stream = stream;
    this.#isBusy = false;
    this.#isFresh = true;
  }

  drained(): void {
    // The end of a write says the same.
  }

  closed(): void {
    this.#stream = undefined;
    this.#isBusy = false;
    this.#onIdle?.();
  }
}

/** What became of messages so far. */
export interface QueueCounts {
  /** Waiting to be sent for the first time, and their bytes. */
  readonly waiting: number;
  /** Bytes of all that is held: waiting, or sent a moment ago. */
  readonly bytes: number;
  /** Dropped for want of room before they were ever sent. */
  readonly dropped: number;
  /** Sent once more, after a stream broke. */
  readonly repeated: number;
}

/** Of each message beside its own bytes, about: its object and its place. */
const OVERHEAD = 128;
const EMPTY = Buffer.alloc(0);
/** Places that are free at the front before the others move up. */
const MOST_FREE = 1024;

/**
 * Messages in their order, bounded in bytes. What was sent stays until it is confirmed or room is needed, so that it can
 * be sent once more when the stream breaks: the wire has no acknowledgement, and what a broken stream still carried is lost.
 * Beyond the bound the oldest go first, so what was sent long ago is no loss, and what was never sent is counted.
 */
export class SignalQueue {
  readonly #capacity: number;
  /** From `#first` on: those that were sent, then from `#next` on those that were not. */
  #messages: Buffer[] = [];
  #first = 0;
  #next = 0;
  /** Number of messages that have left the front since the beginning: what `#first` is as a position. */
  #gone = 0;
  #bytes = 0;
  /** Position behind the last that was ever sent, or dropped. */
  #everSent = 0;
  #dropped = 0;
  #repeated = 0;

  /** @param capacity bytes, those of keeping a message included */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get counts(): QueueCounts {
    const end = this.#gone + this.#messages.length - this.#first;
    return {
      waiting: end - this.#everSent,
      bytes: this.#bytes,
      dropped: this.#dropped,
      repeated: this.#repeated,
    };
  }

  /** Nothing is left to send. */
  get isSent(): boolean {
    return this.#next === this.#messages.length;
  }

  push(message: Buffer): void {
    this.#messages.push(message);
    this.#bytes += message.length + OVERHEAD;
    while (this.#bytes > this.#capacity && this.#first < this.#messages.length) {
      if (this.#gone === this.#everSent) {
        this.#dropped++;
        this.#everSent++;
      }
      this.#shift();
    }
  }

  /** The next one to send, which counts as sent; undefined if there is none. */
  take(): Buffer | undefined {
    const message = this.#messages[this.#next];
    if (message === undefined) return undefined;
    this.#next++;
    if (this.position > this.#everSent) this.#everSent = this.position;
    else this.#repeated++;
    return message;
  }

  /** Where the next one to send stands, for `confirm`. Positions count from the beginning and never repeat. */
  get position(): number {
    return this.#gone + this.#next - this.#first;
  }

  /** All before `position` have arrived: they go. */
  confirm(position: number): void {
    while (this.#gone < position && this.#first < this.#next) this.#shift();
  }

  /** The stream broke: what was not confirmed is sent once more. */
  rewind(): void {
    this.#next = this.#first;
  }

  #shift(): void {
    const message = this.#messages[this.#first]!;
    this.#bytes -= message.length + OVERHEAD;
    // Let go of it now; the array itself is only cut from time to time.
    this.#messages[this.#first] = EMPTY;
    this.#first++;
    this.#gone++;
    if (this.#next < this.#first) this.#next = this.#first;
    if (this.#first < MOST_FREE || this.#first * 2 < this.#messages.length) return;
    this.#messages = this.#messages.slice(this.#first);
    this.#next -= this.#first;
    this.#first = 0;
  }
}

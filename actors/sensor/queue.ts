/** A message that waits for Sensor. */
export interface Message {
  readonly bytes: Buffer;
  /** Number of the container it speaks of, as in records; 0: of none, or of several. */
  readonly container: number;
  /** What its loss counts as: 1 for a process signal. */
  readonly worth: number;
}

/** Counts of a queue, over the whole run but for `waiting`, `unconfirmed` and `bytes`. */
export interface QueueCounts {
  /** Messages never sent so far. */
  readonly waiting: number;
  /** Messages sent and not confirmed. */
  readonly unconfirmed: number;
  /** Bytes of all messages held. */
  readonly bytes: number;
  /** Worth of messages dropped for want of room, never sent. */
  readonly dropped: number;
  /** Worth of messages dropped for want of room, sent but not confirmed: Sensor may have them. */
  readonly uncertain: number;
  /** Messages sent once more, after a stream broke. */
  readonly repeated: number;
}

/** Bytes a message takes beside its own: its objects and its place. */
const OVERHEAD = 128;
const EMPTY: Message = { bytes: Buffer.alloc(0), container: 0, worth: 0 };
/** Free places at the front before the others move up. */
const MOST_FREE = 1024;

/**
 * Messages in order, bounded in bytes. A sent message stays until it is confirmed, so that it can be sent once more when
 * the stream breaks. Beyond the bound the oldest go first, and each one that goes unconfirmed is counted.
 */
export class MessageQueue {
  readonly capacity: number;
  /** From `#first` on: the sent ones, then from `#next` on the others. */
  #messages: Message[] = [];
  #first = 0;
  #next = 0;
  /** Messages that have left the front since the beginning: `#first` as a position. */
  #gone = 0;
  #bytes = 0;
  #unsentBytes = 0;
  /** Position behind the last message ever sent, or dropped. */
  #everSent = 0;
  #dropped = 0;
  #uncertain = 0;
  #repeated = 0;

  /** @param capacity bytes, those of keeping a message included */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get counts(): QueueCounts {
    const end = this.#gone + this.#messages.length - this.#first;
    return {
      waiting: end - Math.max(this.#everSent, this.#gone),
      unconfirmed: Math.max(this.#everSent - this.#gone, 0),
      bytes: this.#bytes,
      dropped: this.#dropped,
      uncertain: this.#uncertain,
      repeated: this.#repeated,
    };
  }

  /** Nothing is left to send. */
  get isSent(): boolean {
    return this.#next === this.#messages.length;
  }

  /** Whether a message of `length` bytes has room without another being dropped that was not sent. */
  hasRoom(length = 0): boolean {
    return this.#unsentBytes + length + OVERHEAD <= this.capacity;
  }

  push(message: Message): void {
    const size = sizeOf(message);
    this.#messages.push(message);
    this.#bytes += size;
    this.#unsentBytes += size;
    while (this.#bytes > this.capacity && this.#first < this.#messages.length) {
      const { worth } = this.#messages[this.#first]!;
      if (this.#gone < this.#everSent) this.#uncertain += worth;
      else this.#dropped += worth;
      this.#shift();
    }
    if (this.#everSent < this.#gone) this.#everSent = this.#gone;
  }

  /** Counts a message of this worth as dropped that was not even pushed. */
  drop(worth: number): void {
    this.#dropped += worth;
  }

  /** The next message to send, which counts as sent; undefined if there is none. */
  take(): Message | undefined {
    const message = this.#messages[this.#next];
    if (message === undefined) return undefined;
    this.#next++;
    this.#unsentBytes -= sizeOf(message);
    if (this.position > this.#everSent) this.#everSent = this.position;
    else this.#repeated++;
    return message;
  }

  /** Where the next message to send stands, for `confirm`. Positions count from the beginning and never repeat. */
  get position(): number {
    return this.#gone + this.#next - this.#first;
  }

  /** Lets go of all messages before `position`: they have arrived. */
  confirm(position: number): void {
    while (this.#gone < position && this.#first < this.#messages.length) this.#shift();
  }

  /** Has all unconfirmed messages sent once more: the stream broke. */
  rewind(): void {
    this.#next = this.#first;
    this.#unsentBytes = this.#bytes;
  }

  /** Takes all messages out, as if they had never been in. */
  empty(): readonly Message[] {
    const messages = this.#messages.slice(this.#first);
    this.confirm(this.#gone + messages.length);
    if (this.#everSent < this.#gone) this.#everSent = this.#gone;
    return messages;
  }

  #shift(): void {
    const size = sizeOf(this.#messages[this.#first]!);
    this.#bytes -= size;
    // Let go of it now; the array itself is only cut from time to time.
    this.#messages[this.#first] = EMPTY;
    this.#first++;
    this.#gone++;
    if (this.#next < this.#first) {
      this.#next = this.#first;
      this.#unsentBytes -= size;
    }
    if (this.#first < MOST_FREE || this.#first * 2 < this.#messages.length) return;
    this.#messages = this.#messages.slice(this.#first);
    this.#next -= this.#first;
    this.#first = 0;
  }
}

function sizeOf({ bytes }: Message): number {
  return bytes.length + OVERHEAD;
}

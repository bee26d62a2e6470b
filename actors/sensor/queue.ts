import { Refusals } from '../shares/refusals.js';
import { Shares } from '../shares/shares.js';

/** A message waiting for Sensor. */
export interface QueuedMessage {
  readonly bytes: Buffer;
  /** Number of the container charged for it, as in records; 0: it concerns none, or several. */
  readonly container: number;
  /** Its weight in the count of losses: 1 for a process signal. */
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

/** A slot of the queue. */
interface QueueSlot {
  /** undefined: dropped, or gone. */
  message: QueuedMessage | undefined;
  /** Given to some stream. */
  wasSent: boolean;
  /** Given to the current stream. */
  isOut: boolean;
}

/** Bytes a message takes beside its own: its objects and its slots. */
const OVERHEAD = 128;
/** Free slots at the front before the others move up. */
const MOST_FREE = 1024;

/**
 * Queues messages in order, bounded in bytes. A sent message stays until it is confirmed, to be sent once more when the
 * stream breaks. Beyond the bound the oldest message of the container with most bytes is dropped, and counted.
 */
export class MessageQueue {
  readonly capacity: number;
  /** Dropped messages by container. */
  readonly refusals = new Refusals('what waits for Sensor');
  readonly #shares: Shares<QueueSlot>;
  /** From `#first` on: the sent ones, then from `#next` on the others. */
  #slots: QueueSlot[] = [];
  #first = 0;
  #next = 0;
  /** Slots removed from the front since the beginning: `#first` as a position. */
  #gone = 0;
  /** The highest position ever reached by the next message to send. */
  #highest = 0;
  /** Slots from `#highest` on without their message, after a drop. */
  #gaps = 0;
  #unsentBytes = 0;
  #waiting = 0;
  #unconfirmed = 0;
  #dropped = 0;
  #uncertain = 0;
  #repeated = 0;

  /** @param capacity bytes, those of keeping a message included */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#shares = new Shares(capacity);
  }

  get counts(): QueueCounts {
    return {
      waiting: this.#waiting,
      unconfirmed: this.#unconfirmed,
      bytes: this.#shares.used,
      dropped: this.#dropped,
      uncertain: this.#uncertain,
      repeated: this.#repeated,
    };
  }

  /** Slots in memory, including the ones of dropped messages. */
  get slots(): number {
    return this.#slots.length;
  }

  /** Nothing is left to send. */
  get isSent(): boolean {
    return this.#unsentBytes === 0;
  }

  /** Whether a message of `length` bytes has room without dropping an unsent one. */
  hasRoom(length = 0): boolean {
    return this.#unsentBytes + length + OVERHEAD <= this.capacity;
  }

  push(message: QueuedMessage): void {
    const size = heldBytes(message);
    const place = { message, wasSent: false, isOut: false };
    this.#slots.push(place);
    this.#shares.add(message.container, place, size);
    this.#unsentBytes += size;
    this.#waiting++;
    for (let excess; (excess = this.#shares.excess()) !== undefined;) this.#drop(excess.member, excess.owner);
    while (this.#first < this.#slots.length && this.#slots[this.#first]!.message === undefined)
      this.#dropFront();
    if (this.#gaps > MOST_FREE && this.#gaps > this.#waiting) this.#closeGaps();
  }

  /** Counts a message of this worth as dropped without pushing it. */
  drop(worth: number): void {
    this.#dropped += worth;
  }

  /** The next message to send, which counts as sent; undefined if there is none. */
  take(): QueuedMessage | undefined {
    while (!this.isSent) {
      const place = this.#advance();
      const { message } = place;
      if (message === undefined) continue;
      this.#unsentBytes -= heldBytes(message);
      place.isOut = true;
      if (place.wasSent) {
        this.#repeated++;
      } else {
        place.wasSent = true;
        this.#waiting--;
        this.#unconfirmed++;
      }
      return message;
    }
    return undefined;
  }

  /** The position of the next message to send, for `confirm`. A message keeps its position. */
  get position(): number {
    return this.#gone + this.#next - this.#first;
  }

  /** The position of the oldest of the last `count` messages taken; with 0, of the next message to send. */
  positionBefore(count: number): number {
    let at = this.#next;
    for (let left = count; left > 0 && at > this.#first; at--) if (this.#slots[at - 1]!.isOut) left--;
    return this.#gone + at - this.#first;
  }

  /** Lets go of all messages before `position`: they have arrived. */
  confirm(position: number): void {
    while (this.#gone < position && this.#first < this.#slots.length) this.#dropFront();
  }

  /** Starts again with the unconfirmed messages, after the stream broke. */
  rewind(): void {
    for (let at = this.#first; at < this.#next; at++) this.#slots[at]!.isOut = false;
    this.#next = this.#first;
    this.#unsentBytes = this.#shares.used;
  }

  /** Takes all messages out, as if they had never been in. */
  empty(): readonly QueuedMessage[] {
    const messages = this.#slots.slice(this.#first).flatMap(({ message }) => message ?? []);
    this.confirm(Infinity);
    return messages;
  }

  /** Returns the slot at `#next` and moves on to the one behind it. */
  #advance(): QueueSlot {
    const place = this.#slots[this.#next++]!;
    if (this.position > this.#highest) {
      this.#highest = this.position;
      if (place.message === undefined) this.#gaps--;
    }
    return place;
  }

  #drop(place: QueueSlot, container: number): void {
    const { worth } = place.message!;
    this.refusals.note(container, worth);
    if (place.wasSent) this.#uncertain += worth;
    else this.#dropped += worth;
    // Every sent message is before the highest position.
    if (!place.wasSent) this.#gaps++;
    this.#removeMessage(place);
  }

  /** Takes the message out of a slot. */
  #removeMessage(place: QueueSlot): void {
    const message = place.message!;
    this.#shares.remove(message.container, place);
    if (!place.isOut) this.#unsentBytes -= heldBytes(message);
    if (place.wasSent) this.#unconfirmed--;
    else this.#waiting--;
    place.message = undefined;
  }

  #dropFront(): void {
    const place = this.#slots[this.#first]!;
    if (this.#next === this.#first) this.#advance();
    if (place.message !== undefined) this.#removeMessage(place);
    this.#first++;
    this.#gone++;
    if (this.#first < MOST_FREE || this.#first * 2 < this.#slots.length) return;
    this.#slots = this.#slots.slice(this.#first);
    this.#next -= this.#first;
    this.#first = 0;
  }

  /** Closes the gaps between messages without a position yet. */
  #closeGaps(): void {
    const end = this.#highest - this.#gone + this.#first;
    this.#slots = [
      ...this.#slots.slice(0, end),
      ...this.#slots.slice(end).filter(({ message }) => message !== undefined),
    ];
    this.#gaps = 0;
  }
}

function heldBytes({ bytes }: QueuedMessage): number {
  return bytes.length + OVERHEAD;
}

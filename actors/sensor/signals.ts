import type { SignalQueue } from './queue.js';
import type { OpenStream, StreamUser } from './stream.js';

/**
 * How long a message has to have left this process, on a stream that flows, before it counts as arrived: steps, and the
 * length of one, ms. Nothing on the wire says so; a Sensor that takes longer to read it and then breaks loses it.
 */
const CONFIRM_STEPS = 30;
const CONFIRM_STEP_MS = 1000;

/** Brings the process signals of a queue to the stream of the moment, in their order and no faster than it takes them. */
export class SignalSender implements StreamUser {
  readonly registration: Buffer;
  readonly #queue: SignalQueue;
  readonly #onOpened: () => void;
  #stream: OpenStream | undefined;
  #isFull = false;
  /** Messages that the stream was given and that have not left this process. */
  #unflushed = 0;
  /** How far the queue had left this process at each step, the oldest first. */
  #marks: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;
  /** Messages that have left this process, ever. */
  sent = 0;

  /** @param onOpened a stream has opened, whose reader knows of no process yet; called before anything queued is sent */
  constructor(queue: SignalQueue, registration: Buffer, onOpened: () => void) {
    this.#queue = queue;
    this.registration = registration;
    this.#onOpened = onOpened;
  }

  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** A process was started. */
  send(message: Buffer): void {
    this.#queue.push(message);
    this.#flow();
  }

  /** A process was found running: sent at once or not at all, since a new stream is told of all of them. */
  sendFound(message: Buffer): void {
    if (this.#stream !== undefined) this.#write(this.#stream, message);
  }

  /** Resolves when all has left this process. */
  async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  opened(stream: OpenStream): void {
    this.#stream = stream;
    this.#isFull = false;
    this.#timer = setInterval(() => this.#confirm(), CONFIRM_STEP_MS).unref();
    this.#onOpened();
    this.#flow();
  }

  drained(): void {
    this.#isFull = false;
    this.#flow();
  }

  closed(): void {
    clearInterval(this.#timer);
    this.#stream = undefined;
    this.#unflushed = 0;
    this.#marks = [];
    this.#queue.rewind();
  }

  #flow(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    for (let message; !this.#isFull && (message = this.#queue.take()) !== undefined;)
      this.#write(stream, message);
  }

  #write(stream: OpenStream, message: Buffer): void {
    this.#unflushed++;
    const hasRoom = stream.write(message, () => {
      this.sent++;
      if (stream !== this.#stream) return;
      this.#unflushed--;
      this.#checkIdle();
    });
    if (!hasRoom) this.#isFull = true;
  }

  /** A step of time. It does not count while the stream is full: what was sent may be waiting on the way. */
  #confirm(): void {
    if (this.#isFull) return;
    // Some that have not left may be none of the queue's: then this is too little, and never too much.
    this.#marks.push(this.#queue.position - this.#unflushed);
    if (this.#marks.length > CONFIRM_STEPS) this.#queue.confirm(this.#marks.shift()!);
  }

  #checkIdle(): void {
    if (this.#queue.isSent && this.#unflushed === 0) this.#onIdle?.();
  }
}

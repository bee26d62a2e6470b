import type { MessageQueue } from './queue.js';
import type { OpenStream } from './stream.js';

/**
 * Stream windows of later bytes to leave before a message counts as arrived. The wire has no acknowledgement, but
 * HTTP/2 has windows (RFC 9113 §5.2): a peer holds no more than one unread. Two, since a peer may take some bytes out
 * of HTTP/2 before it reads them.
 */
const WINDOWS = 2;
/**
 * Steps, and ms of one, a stream has to stay open and not full for a message to count as arrived without later bytes.
 * Half of them would do for the channel's keepalive to prove the message is in the peer's HTTP/2: 10 s until a ping
 * (the last may just have been sent), 10 s for its answer, then the same again. The rest is for Sensor to read it. If
 * Sensor leaves less than a window unread for longer and then dies, the message is lost silently.
 */
const STEPS = 60;
const STEP_MS = 1000;
/** Bytes between two marks, so that a busy stream confirms often. */
const MARK_BYTES = 16 * 1024;
/** Bytes of one write, but for the last message: as many as HTTP/2 and TLS take in one piece. */
const BATCH_BYTES = 16 * 1024;
/** Bytes on their way out of this process at most; the queues hold the rest. */
const MOST_LEAVING = 64 * 1024;

/** A queue and its messages on their way out. */
interface Lane {
  readonly queue: MessageQueue;
  leaving: number;
}

/** Messages of one write, with the number of them from each lane. */
interface Batch {
  readonly messages: readonly Buffer[];
  readonly counts: readonly number[];
  /** Bytes of the messages. */
  readonly length: number;
}

/** The position of each queue at some time: earlier messages had left this process. */
interface Mark {
  /** Bytes sent on the stream by then. */
  readonly bytes: number;
  readonly step: number;
  readonly positions: readonly number[];
}

/**
 * Brings the messages of queues to a stream, no faster than it takes them, and confirms them. Earlier queues have
 * priority over later ones.
 */
export class StreamSender {
  readonly #lanes: readonly Lane[];
  #stream: OpenStream | undefined;
  #leavingBytes = 0;
  /** Bytes sent on this stream. */
  #leftBytes = 0;
  /** Oldest first. */
  #marks: Mark[] = [];
  #step = 0;
  #timer: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;
  /** Messages sent by this process, ever. */
  sent = 0;

  constructor(queues: readonly MessageQueue[]) {
    this.#lanes = queues.map((queue) => ({ queue, leaving: 0 }));
  }

  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** Nothing waits, and nothing is on its way out of this process. */
  get isIdle(): boolean {
    return this.#lanes.every(({ queue, leaving }) => queue.isSent && leaving === 0);
  }

  /** Resolves when all has left this process, or could not since the stream broke. */
  async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (this.isIdle || !this.isOpen) resolve();
    });
  }

  opened(stream: OpenStream): void {
    this.#stream = stream;
    this.#leavingBytes = this.#leftBytes = this.#step = 0;
    this.#timer = setInterval(() => {
      // Time does not count while bytes are held up on their way.
      if (this.#leavingBytes > 0) return;
      this.#step++;
      this.#mark();
    }, STEP_MS).unref();
  }

  /** Sends waiting messages, as far as there is room for them on their way: many of them in one write. */
  flow(): void {
    for (let batch; (batch = this.#take()) !== undefined;) this.#write(batch);
  }

  /**
   * The stream is over.
   * @returns confirms all messages sent on it; to be called if Sensor turns out to have read it to its end
   */
  closed(): () => void {
    clearInterval(this.#timer);
    const left = this.#lanes.map(({ queue, leaving }) => [queue, queue.positionBefore(leaving)] as const);
    this.#stream = undefined;
    this.#marks = [];
    for (const lane of this.#lanes) {
      lane.leaving = 0;
      lane.queue.rewind();
    }
    this.#onIdle?.();
    return () => left.forEach(([queue, position]) => queue.confirm(position));
  }

  /** The next messages to send; undefined if all are sent, or no more may leave. */
  #take(): Batch | undefined {
    if (this.#stream === undefined) return undefined;
    const messages: Buffer[] = [];
    const counts = this.#lanes.map(() => 0);
    let length = 0;
    for (const [at, { queue }] of this.#lanes.entries()) {
      while (length < BATCH_BYTES && this.#leavingBytes + length < MOST_LEAVING && !queue.isSent) {
        const { bytes } = queue.take()!;
        messages.push(bytes);
        counts[at]!++;
        length += bytes.length;
      }
    }
    return messages.length === 0 ? undefined : { messages, counts, length };
  }

  #write({ messages, counts, length }: Batch): void {
    const stream = this.#stream!;
    for (const [at, lane] of this.#lanes.entries()) lane.leaving += counts[at]!;
    this.#leavingBytes += length;
    stream.write(messages, () => {
      this.sent += messages.length;
      if (stream !== this.#stream) return;
      for (const [at, lane] of this.#lanes.entries()) lane.leaving -= counts[at]!;
      this.#leavingBytes -= length;
      this.#leftBytes += length;
      if (this.#leftBytes - (this.#marks.at(-1)?.bytes ?? 0) >= MARK_BYTES) this.#mark();
      this.flow();
      if (this.isIdle) this.#onIdle?.();
    });
  }

  #mark(): void {
    const positions = this.#lanes.map(({ queue, leaving }) => queue.positionBefore(leaving));
    this.#marks.push({ bytes: this.#leftBytes, step: this.#step, positions });
    const unread = WINDOWS * this.#stream!.window();
    const isOld = ({ bytes, step }: Mark) => this.#leftBytes - bytes >= unread || this.#step - step >= STEPS;
    while (this.#marks.length > 0 && isOld(this.#marks[0]!)) {
      const { positions } = this.#marks.shift()!;
      positions.forEach((position, lane) => this.#lanes[lane]!.queue.confirm(position));
    }
  }
}

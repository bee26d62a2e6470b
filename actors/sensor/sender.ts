import type { MessageQueue } from './queue.js';
import type { OpenStream } from './stream.js';

/**
 * When a message counts as arrived. The wire has no acknowledgement, but HTTP/2 has windows (RFC 9113 §5.2): a peer
 * holds no more than its stream window unread. So a message has been read once so many windows of later bytes have
 * left; two, since a peer may take some bytes out of HTTP/2 before it reads them.
 */
const WINDOWS = 2;
/**
 * Without later bytes, a message has arrived when its stream has stayed open, and not full, for so many steps of so
 * many ms. Half of them would do for the channel's keepalive to prove that the peer's HTTP/2 has it (10 s until a
 * ping, which may have been sent just before, and 10 s for its answer, then the same again); the rest is for Sensor
 * to read it. A Sensor that leaves less than a window unread for longer than that, and then dies, loses it silently.
 */
const STEPS = 60;
const STEP_MS = 1000;
/** Bytes between two marks, so that a stream which carries a lot confirms a lot. */
const MARK_BYTES = 16 * 1024;
/** Bytes on their way out of this process at most; the queues hold the rest. */
const MOST_LEAVING = 64 * 1024;

/** A queue and its messages on their way out. */
interface Lane {
  readonly queue: MessageQueue;
  leaving: number;
}

/** How far each queue had left this process at some time. */
interface Mark {
  /** Bytes that had left on the stream. */
  readonly bytes: number;
  readonly step: number;
  readonly positions: readonly number[];
}

/**
 * Brings the messages of queues to a stream, no faster than it takes them, and confirms them. A queue comes before the
 * ones that follow it.
 */
export class StreamSender {
  readonly #lanes: readonly Lane[];
  #stream: OpenStream | undefined;
  #isFull = false;
  #leavingBytes = 0;
  /** Bytes that have left on this stream. */
  #leftBytes = 0;
  /** Oldest first. */
  #marks: Mark[] = [];
  #step = 0;
  #timer: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;
  /** Messages that have left this process, ever. */
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
    this.#isFull = false;
    this.#leavingBytes = this.#leftBytes = this.#step = 0;
    this.#timer = setInterval(() => {
      // Time does not count while the stream is full: what left may be held up on the way.
      if (this.#isFull || this.#leavingBytes >= MOST_LEAVING) return;
      this.#step++;
      this.#mark();
    }, STEP_MS).unref();
  }

  drained(): void {
    this.#isFull = false;
    this.flow();
  }

  /** Sends what waits, as far as the stream has room. */
  flow(): void {
    for (let lane; (lane = this.#next()) !== undefined;) this.#write(lane);
  }

  /**
   * The stream is over.
   * @returns lets go of all that had left on it; to be called if Sensor turns out to have read it to its end
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

  /** The lane whose turn it is, if the stream has room for it. */
  #next(): Lane | undefined {
    if (this.#stream === undefined || this.#isFull || this.#leavingBytes >= MOST_LEAVING) return undefined;
    return this.#lanes.find(({ queue }) => !queue.isSent);
  }

  #write(lane: Lane): void {
    const stream = this.#stream!;
    const { bytes } = lane.queue.take()!;
    lane.leaving++;
    this.#leavingBytes += bytes.length;
    const hasRoom = stream.write(bytes, () => {
      this.sent++;
      if (stream !== this.#stream) return;
      lane.leaving--;
      this.#leavingBytes -= bytes.length;
      this.#leftBytes += bytes.length;
      if (this.#leftBytes - (this.#marks.at(-1)?.bytes ?? 0) >= MARK_BYTES) this.#mark();
      this.flow();
      if (this.isIdle) this.#onIdle?.();
    });
    if (!hasRoom) this.#isFull = true;
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

import type { Writer } from '../../native/io.js';

/**
 * Most bytes of log lines to wait for a reader. The gates of the log let through some 100 KB in 10 s, so this is
 * minutes of the worst log.
 */
export const MOST_UNREAD_LOG = 4 * 1024 * 1024;

/** Standard error. Its reader may be slow, hang or be gone, and is never waited for. */
export class StandardError {
  /** Lines without room so far. */
  dropped = 0;
  /** Called when there is room again, with the number of lines dropped since the last call. */
  onRoom: (dropped: number) => void = () => undefined;
  readonly writer: Writer;
  #reported = 0;

  constructor(writer: Writer) {
    this.writer = writer;
  }

  /** Writes whole lines, or drops and counts them. */
  write(text: string): void {
    if (this.writer.write(Buffer.from(text))) return;
    this.dropped++;
    if (this.dropped === this.#reported + 1) this.writer.notifyBelow(MOST_UNREAD_LOG / 2);
  }

  /** To be called when the writer has an event. */
  wake(): void {
    if (this.dropped === this.#reported) return;
    if (this.writer.pending > MOST_UNREAD_LOG / 2) {
      this.writer.notifyBelow(MOST_UNREAD_LOG / 2);
      return;
    }
    const dropped = this.dropped - this.#reported;
    this.#reported = this.dropped;
    this.onRoom(dropped);
  }

  /** Gives a reader so many ms for the waiting lines: the last thing before the process ends. */
  flush(milliseconds: number): void {
    this.writer.flush(milliseconds);
  }
}

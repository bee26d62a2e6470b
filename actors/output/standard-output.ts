import type { Writer } from '../../native/io.js';
import type { Deadline } from '../telemetry/deadline.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';

/** Most bytes of output waiting for a reader. */
export const MOST_UNREAD = 16 * 1024 * 1024;
/** A replay goes on as long as fewer bytes wait. */
const REPLAY_AHEAD = 1024 * 1024;
/** Any time: how often the event loop wakes up for nothing while it waits for a reader, ms. */
const AWAKE_MS = 2000;

/** Standard output of the process. Its reader may be slow or gone. There is one instance. */
export class StandardOutput {
  /** Called when it cannot be written to any more. */
  onBroken: () => void = () => undefined;
  readonly #writer: Writer;
  #error: string | undefined;
  /** Called, once each, at the writer's next event. */
  #waiting: (() => void)[] = [];

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** Whether it cannot be written to any more. */
  get isBroken(): boolean {
    return this.#error !== undefined;
  }

  /** Whether its reader has gone, as in `… | head`. */
  get isAbandoned(): boolean {
    return this.#error === 'EPIPE';
  }

  /** @returns whether there was room for it */
  write(text: string): boolean {
    return this.#writer.write(Buffer.from(text));
  }

  /** To be called when the writer has an event. */
  wake(): void {
    const { error } = this.#writer;
    const isNew = error !== undefined && this.#error === undefined;
    this.#error ??= error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
    if (isNew) this.onBroken();
  }

  /** Waits until there is room for more, or never will be. */
  async room(): Promise<void> {
    if (this.#writer.pending > REPLAY_AHEAD) await this.#below(REPLAY_AHEAD / 2);
  }

  /**
   * Waits until all printed text has been taken, as far as there is time.
   * @returns the failure of writing; a reader gone is none
   */
  async failure(log: Log, deadline: Deadline): Promise<Failure | undefined> {
    await deadline.wait(this.#below(0));
    this.#error ??= this.#writer.error;
    const unread = this.#writer.pending;
    if (this.#error === undefined && unread > 0)
      log.warning(`Dropped ${unread} bytes of output, which nobody read`);
    if (this.#error === undefined || this.isAbandoned) return undefined;
    return new Failure('OUTPUT_UNWRITABLE', { reason: this.#error });
  }

  /** Until so many bytes wait at most, or it broke. */
  async #below(bytes: number): Promise<void> {
    // The writer keeps no process alive, and this may be all that is left to do.
    const alive = setInterval(() => undefined, AWAKE_MS);
    while (!this.isBroken && this.#writer.pending > bytes) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        this.#writer.notifyBelow(bytes);
      });
    }
    clearInterval(alive);
  }
}

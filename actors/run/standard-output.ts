import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { tap, type Observable } from 'rxjs';
import type { StateSettings } from '../capture/facts.js';
import type { Observer } from '../http/observer.js';
import { outputLines, type News } from '../output/actor.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';

/** Bytes of output that wait for a reader at most, and how long the end of a run waits for it. */
const MOST_UNREAD = 16 * 1024 * 1024;
const UNREAD_GRACE_MS = 2000;

/** The process's standard output, whose reader may be slow or gone. There is one of it. */
export class StandardOutput {
  /** Called when it cannot be written to any more. */
  onBroken: () => void = () => undefined;
  readonly #log: Log;
  #error: NodeJS.ErrnoException | undefined;

  constructor(log: Log) {
    this.#log = log;
    process.stdout.on('error', (error) => {
      this.#error ??= error;
      this.onBroken();
    });
  }

  /** Whether it cannot be written to any more. */
  get isBroken(): boolean {
    return this.#error !== undefined;
  }

  /** Whether its reader has gone, as in `… | head`. */
  get isAbandoned(): boolean {
    return this.#error?.code === 'EPIPE';
  }

  write(text: string): void {
    process.stdout.write(text);
  }

  /** Prints the messages of a run. What nobody reads in time is dropped, counted and told. */
  print({ format }: StateSettings, observer?: Observer): (news: News) => Observable<unknown> {
    const warn = this.#log.throttled('warning');
    const { isTTY, columns } = process.stdout;
    const color = isTTY && process.env['NO_COLOR'] === undefined;
    let unread = 0;
    let reported: number | undefined;
    return (news) => {
      const network = news.network.pipe(tap(() => (reported = performance.now())));
      return outputLines({ ...news, network }, format, isTTY ? { color, width: columns } : { color }).pipe(
        tap((lines) => {
          const start = performance.now();
          if (process.stdout.writableLength > MOST_UNREAD) {
            unread += lines.length;
            if (observer !== undefined) observer.unread = unread;
            warn(`Dropped ${unread} lines of output so far, since nobody reads standard output`);
          } else {
            this.write(`${lines.join('\n')}\n`);
          }
          if (reported === undefined || observer === undefined) return;
          observer.timers.net_create_message.add(start - reported);
          observer.timers.net_write_message.add(performance.now() - start);
          reported = undefined;
        }),
      );
    };
  }

  /** Waits until there is room for more, or never will be. */
  async room(): Promise<void> {
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain').catch(() => undefined);
  }

  /**
   * Waits until all that was printed has been taken, for a while.
   * @returns what went wrong with it; that the reader has gone is no failure
   */
  async failure(): Promise<Failure | undefined> {
    const written = new Promise((resolve) => process.stdout.write('', resolve));
    await Promise.race([written, delay(UNREAD_GRACE_MS, undefined, { ref: false })]);
    const { writableLength: unread } = process.stdout;
    if (this.#error === undefined && unread > 0)
      this.#log.warning(`Dropped ${unread} bytes of output, which nobody read`);
    if (this.#error === undefined || this.isAbandoned) return undefined;
    return new Failure('OUTPUT_UNWRITABLE', { reason: this.#error.code ?? this.#error.message });
  }
}

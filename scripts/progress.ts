import type { WriteStream } from 'node:tty';

const SECONDS_PER_MINUTE = 60;

/** Says on standard error what is under way and how much time is left; standard output has the result alone. */
export class Progress {
  readonly #planned: number;
  readonly #out: Pick<WriteStream, 'isTTY' | 'write'>;
  readonly #now: () => number;
  readonly #start: number;
  #done = 0;
  /** Seconds taken by a planned one. */
  #pace = 1;
  #name = '';

  /**
   * @param planned time of all steps, s; of any other unit, if the time left is asked for after a first step alone
   * @param now ms
   */
  constructor(
    planned: number,
    out: Pick<WriteStream, 'isTTY' | 'write'> = process.stderr,
    now = (): number => performance.now(),
  ) {
    this.#planned = planned;
    this.#out = out;
    this.#now = now;
    this.#start = now();
  }

  /** Before a step: a line, or on a terminal the line of the step before. */
  begin(name: string): void {
    this.#name = name;
    if (this.#out.isTTY) this.show();
    else this.#out.write(`${this.#text}\n`);
  }

  /** A step is over. @param planned its time by the plan, in the unit of all */
  done(planned: number): void {
    this.#done += planned;
    this.#pace = this.#elapsed / this.#done;
    if (this.#out.isTTY) this.#out.write('\r\u001b[K');
  }

  /** Renews the line of a terminal. */
  show(): void {
    if (this.#out.isTTY) this.#out.write(`\r${this.#text}\u001b[K`);
  }

  /** Time left by the plan and by how far off it was, s. */
  get left(): number {
    return Math.max(0, this.#planned * this.#pace - this.#elapsed);
  }

  get #elapsed(): number {
    return (this.#now() - this.#start) / 1000;
  }

  get #text(): string {
    return `… ${this.#name}: ${duration(this.left)} left`;
  }
}

/** In words: 45 s, or 3 min 5 s. */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / SECONDS_PER_MINUTE);
  const rest = whole % SECONDS_PER_MINUTE;
  return minutes === 0 ? `${rest} s` : `${minutes} min ${rest} s`;
}

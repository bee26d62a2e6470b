import type { WriteStream } from 'node:tty';

const SECONDS_PER_MINUTE = 60;

/** Says on standard error how far a row of runs is, and how long it will still take. */
export class Progress {
  readonly #out: WriteStream;
  readonly #clock: () => number;
  readonly #runs: number;
  /** Of a run, by the plan and later by the runs done. */
  #secondsOfRun: number;
  readonly #start: number;
  #done = 0;
  #runStart: number;
  #name = '';

  /** @param clock seconds */
  constructor(
    runs: number,
    secondsOfRun: number,
    out: WriteStream = process.stderr,
    clock = () => performance.now() / 1000,
  ) {
    this.#runs = runs;
    this.#secondsOfRun = secondsOfRun;
    this.#out = out;
    this.#clock = clock;
    this.#start = this.#runStart = clock();
  }

  /** Before each run. */
  begin(name: string): void {
    this.#name = name;
    this.#runStart = this.#clock();
    this.show(true);
  }

  /** After each run. */
  end(): void {
    this.#done++;
    this.#secondsOfRun = (this.#clock() - this.#start) / this.#done;
    if (this.#out.isTTY) this.#out.write('\r\u001b[K');
  }

  /** Renews the line on a terminal; elsewhere there is one line a run. */
  show(isNew = false): void {
    if (this.#out.isTTY) this.#out.write(`\r${this.#text()}\u001b[K`);
    else if (isNew) this.#out.write(`${this.#text()}\n`);
  }

  #text(): string {
    const left =
      this.#secondsOfRun * (this.#runs - this.#done - 1) +
      Math.max(0, this.#secondsOfRun - (this.#clock() - this.#runStart));
    return `… run ${this.#done + 1} of ${this.#runs}, ${this.#name}: ${duration(left)} left`;
  }
}

/** In words: 45 s, or 3 min 5 s. */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / SECONDS_PER_MINUTE);
  const rest = whole % SECONDS_PER_MINUTE;
  return minutes === 0 ? `${rest} s` : `${minutes} min ${rest} s`;
}

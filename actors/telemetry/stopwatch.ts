/** Counts laps, and sums up their durations. */
export class Stopwatch {
  laps = 0;
  microseconds = 0;
  readonly #onLap: ((seconds: number) => void) | undefined;

  /** @param onLap called with the duration of each lap */
  constructor(onLap?: (seconds: number) => void) {
    this.#onLap = onLap;
  }

  /** The mean, µs; 0 before the first. */
  get mean(): number {
    return this.laps === 0 ? 0 : this.microseconds / this.laps;
  }

  /** Does it, and notes how long it took, even if it throws. */
  time<T>(action: () => T): T {
    const start = performance.now();
    try {
      return action();
    } finally {
      this.add(performance.now() - start);
    }
  }

  add(milliseconds: number): void {
    this.laps++;
    this.microseconds += milliseconds * 1000;
    this.#onLap?.(milliseconds / 1000);
  }
}

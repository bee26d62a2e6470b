import { QuantileSketch, type QuantileTarget } from './quantile-sketch.js';

/** Sketches sharing a window, each started a fifth of it after the one before, as in the Prometheus clients. */
const AGES = 5;

/**
 * Count and sum of all values ever observed, and quantiles of the values within a window. An answer covers between 4/5
 * of the window and all of it: it comes from the oldest sketch, restarted when it is as old as the window.
 */
export class WindowSummary {
  count = 0;
  sum = 0;
  readonly #targets: readonly QuantileTarget[];
  readonly #step: number;
  /** The oldest first. */
  readonly #sketches: QuantileSketch[];
  #nextTurn: number | undefined;

  /** @param window in the unit of the observed times */
  constructor(targets: readonly QuantileTarget[], window: number) {
    this.#targets = targets;
    this.#step = window / AGES;
    this.#sketches = Array.from({ length: AGES }, () => new QuantileSketch(targets));
  }

  observe(value: number, time: number): void {
    this.#turn(time);
    this.count++;
    this.sum += value;
    for (const sketch of this.#sketches) sketch.insert(value);
  }

  /** The value at one of the target quantiles; NaN if the window is empty. */
  quantile(quantile: number): number {
    return this.#sketches[0]!.query(quantile);
  }

  #turn(time: number): void {
    this.#nextTurn ??= time + this.#step;
    for (let turns = 0; time >= this.#nextTurn && turns < AGES; turns++) {
      this.#nextTurn += this.#step;
      this.#sketches.shift();
      this.#sketches.push(new QuantileSketch(this.#targets));
    }
    // After a gap longer than the window nothing is left to turn.
    if (time >= this.#nextTurn) this.#nextTurn = time + this.#step;
  }
}

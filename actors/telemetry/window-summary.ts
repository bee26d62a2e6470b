import { QuantileSketch, type QuantileTarget } from './quantile-sketch.js';

/** Sketches that share a window, each started a fifth of it after the one before: as the Prometheus clients have it. */
const AGES = 5;

/**
 * Count and sum of all values ever observed, and quantiles of those that are not older than a window. What is asked
 * covers between 4/5 of the window and all of it: the sketch that began longest ago answers, and starts anew when it is
 * as old as the window.
 */
export class WindowSummary {
  count = 0;
  sum = 0;
  readonly #targets: readonly QuantileTarget[];
  readonly #step: number;
  /** The oldest first. */
  readonly #sketches: QuantileSketch[];
  #nextTurn: number | undefined;

  /** @param window in the unit of the times that are given */
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

  /** The value at one of the quantiles that were asked for; NaN if the window has none. */
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
    // After a gap that is longer than the window nothing is left to turn.
    if (time >= this.#nextTurn) this.#nextTurn = time + this.#step;
  }
}

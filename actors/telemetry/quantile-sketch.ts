/** A quantile to answer, 0 to 1, and the allowed error of the answer's rank, as a part of all values. */
export interface QuantileTarget {
  readonly quantile: number;
  readonly error: number;
}

/** Values gathered before a merge, to make it worth its while. */
const BUFFERED = 64;

/**
 * Answers chosen quantiles of a stream of numbers within chosen errors, and keeps few of the numbers: the targeted
 * quantiles of Cormode, Korn, Muthukrishnan and Srivastava, "Effective Computation of Biased Quantiles over Data
 * Streams" (ICDE 2005), section 4, as the Prometheus clients have them.
 */
export class QuantileSketch {
  readonly #targets: readonly QuantileTarget[];
  /**
   * The samples in order. A sample's lowest possible rank is the sum of the widths up to it; its highest is this sum
   * plus its slack.
   */
  #values: number[] = [];
  #widths: number[] = [];
  #slacks: number[] = [];
  #count = 0;
  #buffer: number[] = [];

  constructor(targets: readonly QuantileTarget[]) {
    this.#targets = targets;
  }

  /** Samples kept: the cost of the sketch. */
  get size(): number {
    return this.#values.length + this.#buffer.length;
  }

  insert(value: number): void {
    this.#buffer.push(value);
    if (this.#buffer.length >= BUFFERED) this.#merge();
  }

  /** The value at one of the target quantiles; NaN without any value. */
  query(quantile: number): number {
    this.#merge();
    const last = this.#values.length - 1;
    if (last < 0) return NaN;
    const rank = Math.ceil(quantile * this.#count);
    const limit = rank + this.#tolerance(rank) / 2;
    let lowest = 0;
    for (let index = 0; index < last; index++) {
      lowest += this.#widths[index]!;
      if (lowest + this.#widths[index + 1]! + this.#slacks[index + 1]! > limit) return this.#values[index]!;
    }
    return this.#values[last]!;
  }

  /** Allowed distance between the ranks of two neighbours around `rank`. */
  #tolerance(rank: number): number {
    let least = Infinity;
    for (const { quantile, error } of this.#targets) {
      const allowed =
        rank >= quantile * this.#count
          ? (2 * error * rank) / quantile
          : (2 * error * (this.#count - rank)) / (1 - quantile);
      least = Math.min(least, allowed);
    }
    return least;
  }

  #merge(): void {
    if (this.#buffer.length === 0) return;
    const [values, widths, slacks] = [this.#values, this.#widths, this.#slacks];
    this.#values = [];
    this.#widths = [];
    this.#slacks = [];
    let lowest = 0;
    let old = 0;
    const keep = () => {
      lowest += widths[old]!;
      this.#append(values[old]!, widths[old]!, slacks[old]!);
      old++;
    };
    for (const value of this.#buffer.sort((a, b) => a - b)) {
      while (old < values.length && values[old]! <= value) keep();
      // The smallest and the largest of all are known exactly.
      const isInside = this.#values.length > 0 && old < values.length;
      this.#count++;
      lowest++;
      this.#append(value, 1, isInside ? Math.max(Math.floor(this.#tolerance(lowest)) - 1, 0) : 0);
    }
    while (old < values.length) keep();
    this.#buffer = [];
    this.#compress();
  }

  #append(value: number, width: number, slack: number): void {
    this.#values.push(value);
    this.#widths.push(width);
    this.#slacks.push(slack);
  }

  /** Joins neighbours, from the highest down, where their sum is precise enough for all targets. */
  #compress(): void {
    const [values, widths, slacks] = [this.#values, this.#widths, this.#slacks];
    let lowest = this.#count;
    let kept = values.length - 1;
    for (let index = kept - 1; index >= 0; index--) {
      lowest -= widths[index + 1]!;
      const joint = widths[index]! + widths[kept]!;
      if (index > 0 && joint + slacks[kept]! <= this.#tolerance(lowest)) {
        widths[kept] = joint;
        continue;
      }
      kept--;
      values[kept] = values[index]!;
      widths[kept] = widths[index]!;
      slacks[kept] = slacks[index]!;
    }
    for (const list of [values, widths, slacks]) list.splice(0, kept);
  }
}

/** Says on standard error what is under way, and how much time is left. */
export class Progress {
  readonly #steps: readonly (readonly [name: string, seconds: number])[];
  #start = 0;
  #at = -1;
  /** Time taken by a second that was expected. */
  #pace = 1;

  /** @param steps with the seconds each is expected to take */
  constructor(steps: readonly (readonly [name: string, seconds: number])[]) {
    this.#steps = steps;
  }

  /** Goes on to the next step. @param now ms @returns what to say */
  next(now: number): string {
    const taken = this.#steps[this.#at];
    if (taken !== undefined) this.#pace = (this.#pace + (now - this.#start) / 1000 / taken[1]) / 2;
    this.#start = now;
    this.#at++;
    const left = this.#steps.slice(this.#at).reduce((sum, [, seconds]) => sum + seconds, 0) * this.#pace;
    const [name] = this.#steps[this.#at]!;
    return `… ${name} (${this.#at + 1} of ${this.#steps.length}), ${duration(left)} left`;
  }
}

/** @returns whole seconds, from two minutes on whole minutes */
function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

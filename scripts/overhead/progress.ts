/** Says on standard error how far a run is, with the time left. */
export class Progress {
  readonly #start = performance.now();
  readonly #planned: number;
  readonly #now: () => number;
  #done = 0;

  /** @param planned estimated time of all steps, s @param now ms */
  constructor(planned: number, now = () => performance.now()) {
    this.#planned = planned;
    this.#now = now;
    this.#start = now();
  }

  /** A step is over. @param planned its estimated time, s */
  done(planned: number): void {
    this.#done += planned;
  }

  /** Time left, s: by the estimate, and by how far off it was. */
  get left(): number {
    const left = this.#planned - this.#done;
    if (this.#done === 0) return left;
    return (left * (this.#now() - this.#start)) / 1000 / this.#done;
  }

  /** The time left in words. */
  get words(): string {
    const { left } = this;
    return left < 90 ? `${Math.ceil(left)} s left` : `${Math.ceil(left / 60)} min left`;
  }
}

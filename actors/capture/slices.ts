/**
 * What a fact has given to do that would take too long at once. Whoever folds a fact adds it, and whoever brings the facts
 * runs it, slice after slice, before the next one: so the state stands still meanwhile, while the event loop does not.
 */
export class Slices {
  readonly #work: Iterator<unknown>[] = [];

  add(work: Iterator<unknown>): void {
    this.#work.push(work);
  }

  /** Does all there is, with a pause between any two slices. */
  *run(): Generator<undefined, void> {
    for (let work; (work = this.#work.shift()) !== undefined;) {
      while (work.next().done !== true) yield;
    }
  }
}

/**
 * Work that is done a slice at a time, so that whoever does it can let other things happen between two slices. What it
 * gives at the end does not depend on that.
 */
export type Sliced<T, Part = never> = Generator<Part | undefined, T, undefined>;

/** Does all of it now. */
export function allAtOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/**
 * What a fact has given to do that would take too long at once. Whoever folds a fact adds it, and whoever brings the
 * facts runs it, slice after slice, before the next one: so the state stands still meanwhile, while the event loop
 * does not.
 */
export class Slices {
  readonly #work: Sliced<void>[] = [];

  add(work: Sliced<void>): void {
    this.#work.push(work);
  }

  /** Does all there is, with a pause between any two slices. */
  *run(): Sliced<void> {
    for (let work; (work = this.#work.shift()) !== undefined;) {
      while (work.next().done !== true) yield;
    }
  }
}

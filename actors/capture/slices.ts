/**
 * Work done in slices. A yield of undefined is a pause, in which other things may happen; any other yield is a part of
 * the result. The result does not depend on the pauses.
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
 * Work caused by a fact and too long for one turn of the event loop. The fold of the fact adds it, and the source of
 * facts runs it, slice after slice, before the next fact: the state stands still meanwhile, the event loop does not.
 */
export class Slices {
  readonly #work: Sliced<void>[] = [];

  add(work: Sliced<void>): void {
    this.#work.push(work);
  }

  /** Does all work added, with a pause between any two slices. */
  *run(): Sliced<void> {
    for (let work; (work = this.#work.shift()) !== undefined;) {
      while (work.next().done !== true) yield;
    }
  }
}

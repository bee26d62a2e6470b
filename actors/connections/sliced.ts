/**
 * Work that is done a slice at a time, so that whoever does it can let other things happen between two slices. What it
 * gives at the end does not depend on that.
 */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** Does all of it now. */
export function allAtOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Nested containers to remember, more than a node runs at a time. Beyond it the first has a share of its own again. */
const MOST_NESTED = 16_384;

/**
 * Maps containers to the owner of their share: the outermost container around each. A container allowed to make cgroups
 * can make up any number of containers, and has one share for all of them.
 */
export class Sharers {
  /** By nested container. */
  readonly #outermost = new Map<number, number>();
  readonly #watchers: ((container: number, outermost: number) => void)[] = [];

  /** Calls back for each container found inside another one. */
  watch(joined: (container: number, outermost: number) => void): void {
    this.#watchers.push(joined);
  }

  /** The container with the share. */
  of(container: number): number {
    return this.#outermost.size === 0 ? container : (this.#outermost.get(container) ?? container);
  }

  /** Notes the outermost container around another one; the container itself if it is not nested. */
  note(container: number, outermost: number): void {
    const all = this.#outermost;
    if (outermost === container) all.delete(container); // its name may have been made up elsewhere before
    if (outermost === (all.get(container) ?? container)) return;
    if (all.size >= MOST_NESTED && !all.has(container)) all.delete(all.keys().next().value!);
    all.set(container, outermost);
    for (const joined of this.#watchers) joined(container, outermost);
  }
}

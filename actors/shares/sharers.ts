/** Containers in others to remember, more than a node runs at a time. Beyond it the first has a share of its own again. */
const MOST_NESTED = 16_384;

/**
 * Whose share the entries of a container take: that of the outermost container around it. Whoever may make cgroups can
 * make up as many containers as there are names, and has one share for all of them.
 */
export class Sharers {
  /** By the containers that are in another one. */
  readonly #outermost = new Map<number, number>();
  readonly #watchers: ((container: number, outermost: number) => void)[] = [];

  /** Calls back whenever it turns out that a container is in another one. */
  watch(joined: (container: number, outermost: number) => void): void {
    this.#watchers.push(joined);
  }

  /** The container whose share it is. */
  of(container: number): number {
    return this.#outermost.size === 0 ? container : (this.#outermost.get(container) ?? container);
  }

  /** Notes the outermost container around another one; that one itself if it is in none. */
  note(container: number, outermost: number): void {
    const all = this.#outermost;
    if (outermost === container) all.delete(container); // its name may have been made up elsewhere before
    if (outermost === (all.get(container) ?? container)) return;
    if (all.size >= MOST_NESTED && !all.has(container)) all.delete(all.keys().next().value!);
    all.set(container, outermost);
    for (const joined of this.#watchers) joined(container, outermost);
  }
}

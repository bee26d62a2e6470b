/** Named containers to remember, more than a node runs. Beyond it, the first may be named again. */
const MOST_NAMED = 4096;
/** Containers to name at a time. */
const MOST_PENDING = 64;

/** Entries of a container lost to its holding more than a fair share, when room got tight. */
export interface Refusal {
  /** The shared thing, in the words of a log line. */
  readonly of: string;
  /** The container's number, 0 for the host. */
  readonly container: number;
  /** Entries refused or dropped. */
  readonly count: number;
}

/** Names each refused container once in a run. Bounded, however many containers there are. */
export class Refusals {
  readonly #of: string;
  readonly #named = new Set<number>();
  #pending = new Map<number, number>();

  /** @param of the shared thing, in the words of a log line */
  constructor(of: string) {
    this.#of = of;
  }

  /** Notes refused entries of the container. */
  note(container: number, count = 1): void {
    const before = this.#pending.get(container);
    if (before === undefined && (this.#pending.size >= MOST_PENDING || this.#named.has(container))) return;
    this.#pending.set(container, (before ?? 0) + count);
  }

  /** Whether the container was ever refused anything, as far as it is remembered. */
  has(container: number): boolean {
    return this.#named.has(container) || this.#pending.has(container);
  }

  /** The containers not named before; they count as named from now on. */
  take(): Refusal[] {
    if (this.#pending.size === 0) return [];
    const pending = this.#pending;
    this.#pending = new Map();
    return Array.from(pending, ([container, count]) => {
      if (this.#named.size >= MOST_NAMED) this.#named.delete(this.#named.values().next().value!);
      this.#named.add(container);
      return { of: this.#of, container, count };
    });
  }
}

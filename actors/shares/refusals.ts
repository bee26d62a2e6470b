/** Containers whose refusals are remembered: more than a node runs. Beyond it, the first may be named again. */
const MOST_NAMED = 4096;
/** Containers that are named at a time. */
const MOST_PENDING = 64;

/** What a container lost because it held more than its fair share of something that got tight. */
export interface Refusal {
  /** What was tight, in the words of a log line. */
  readonly of: string;
  /** The container's number, 0 for the host. */
  readonly container: number;
  /** Its entries that were refused or dropped. */
  readonly count: number;
}

/** Names each container whose entries were refused, once in a run. Bounded, however many containers there are. */
export class Refusals {
  readonly #of: string;
  readonly #named = new Set<number>();
  #pending = new Map<number, number>();

  /** @param of what is shared, in the words of a log line */
  constructor(of: string) {
    this.#of = of;
  }

  /** Notes that entries of the container were refused. */
  note(container: number, count = 1): void {
    const before = this.#pending.get(container);
    if (before === undefined && (this.#pending.size >= MOST_PENDING || this.#named.has(container))) return;
    this.#pending.set(container, (before ?? 0) + count);
  }

  /** The containers that were never named before, which counts as naming them. */
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

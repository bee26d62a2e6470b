import type { ContainerMetadata, ContainersFact } from '../capture/facts.js';
import { containerNumber } from './id.js';

/** Containers to keep metadata of, at most: many times a node's load, some 10 MB if each has a dozen labels. */
export const MOST_NAMED = 8192;
/** Time for a removed container to keep its name, ns: a connection or a report may be late. */
const LINGER_NS = 600e9;

/** Metadata of containers, from their runtimes. Bounded: removed containers go first, then the longest known. */
export class MetadataTable {
  readonly #present = new Map<number, ContainerMetadata>();
  /** Oldest removal first. */
  readonly #removed = new Map<number, { readonly metadata: ContainerMetadata; readonly at: number }>();
  #evicted = 0;

  /** Existing containers forgotten for want of room, so far. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Containers with a name now. */
  get size(): number {
    return this.#present.size + this.#removed.size;
  }

  /** By the container's number, as records have it. */
  get(container: number): ContainerMetadata | undefined {
    return this.#present.get(container) ?? this.#removed.get(container)?.metadata;
  }

  fold({ updated, removed, time }: ContainersFact): void {
    for (const metadata of updated) {
      const container = containerNumber(metadata.id);
      this.#removed.delete(container);
      this.#present.set(container, metadata);
    }
    for (const id of removed) {
      const container = containerNumber(id);
      const metadata = this.#present.get(container);
      if (metadata === undefined) continue;
      this.#present.delete(container);
      this.#removed.set(container, { metadata, at: time });
    }
    this.expire(time);
    while (this.size > MOST_NAMED) this.#evict();
  }

  /** Forgets containers removed long before `time`. */
  expire(time: number): void {
    for (const [container, { at }] of this.#removed) {
      if (time - at < LINGER_NS) return;
      this.#removed.delete(container);
    }
  }

  #evict(): void {
    const [gone] = this.#removed.keys();
    if (gone !== undefined) {
      this.#removed.delete(gone);
      return;
    }
    const [oldest] = this.#present.keys();
    this.#present.delete(oldest!);
    this.#evicted++;
  }
}

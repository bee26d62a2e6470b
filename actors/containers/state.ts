import type { ContainerMetadata, Fact } from '../capture/facts.js';
import { RecordType } from '../capture/layout.js';
import type { Records } from '../capture/records.js';
import { containerNumber } from './id.js';
import { MetadataTable } from './metadata.js';
import { judge, type Verdict } from './verdict.js';

/** More containers than a node runs; beyond it the one known longest is forgotten. */
const MOST_CONTAINERS = 4096;

/**
 * Folds facts to the containers seen so far.
 *
 * The kernel side decides the container of a process, before anything of it is written. Attribution must never be
 * wrong in this product, so the first process of each container is judged a second time here, from the path of its
 * cgroup and by code of its own; a difference is reported.
 *
 * Names of containers come from their runtime, later or never.
 */
export class ContainerState {
  /** Paths of the containers' cgroups, by the containers' numbers. */
  readonly #cgroups = new Map<number, string>();
  readonly #metadata = new MetadataTable();
  #unknownContainers = 0;

  /** Containers forgotten for want of room, ever. */
  evicted = 0;

  /** Containers known now. */
  get size(): number {
    return this.#cgroups.size;
  }

  /** Containers without a name at their first process, so far: a reason to ask the runtime again. */
  get unknownContainers(): number {
    return this.#unknownContainers;
  }

  /** Names of containers known now. */
  get names(): number {
    return this.#metadata.size;
  }

  /** Names of containers forgotten for want of room, ever. */
  get namesEvicted(): number {
    return this.#metadata.evicted;
  }

  /** Metadata from a container's runtime, if it gave any. @param id 12 lower-case hexadecimal digits */
  metadata(id: string): ContainerMetadata | undefined {
    return this.#metadata.get(containerNumber(id));
  }

  /** The same, by the container's number. */
  metadataOf(container: number): ContainerMetadata | undefined {
    return this.#metadata.get(container);
  }

  /** The path of a container's cgroup, by the container's number; undefined if it is not known. */
  cgroup(container: number): string | undefined {
    return this.#cgroups.get(container);
  }

  /** Containers that can be known at a time. */
  get capacity(): number {
    return MOST_CONTAINERS;
  }

  /** The containers first seen in a fact and judged differently here. */
  fold(fact: Fact): Verdict[] {
    const mismatches: Verdict[] = [];
    if (fact.kind === 'containers') this.#metadata.fold(fact);
    if (fact.kind === 'tick') this.#metadata.expire(fact.time);
    if (fact.kind !== 'records' && fact.kind !== 'scan') return mismatches;
    const { records } = fact;
    for (let at = 0; at < records.length; at += records.size(at)) {
      const type = records.type(at);
      if (type !== RecordType.exec && type !== RecordType.process) continue;
      const container = records.container(at);
      if (container === 0 || this.#cgroups.has(container)) continue;
      const verdict = this.#meet(container, records, at);
      if (verdict.isNamed === false) mismatches.push(verdict);
    }
    return mismatches;
  }

  #meet(container: number, records: Records, at: number): Verdict {
    const verdict = judge(records, at);
    if (this.#cgroups.size >= MOST_CONTAINERS) {
      this.#cgroups.delete(this.#cgroups.keys().next().value!);
      this.evicted++;
    }
    this.#cgroups.set(container, verdict.cgroup);
    if (this.#metadata.get(container) === undefined) this.#unknownContainers++;
    return verdict;
  }
}

import type { Fact } from '../capture/facts.js';
import type { Log } from '../telemetry/log.js';
import type { Publication } from '../telemetry/publication.js';
import { containerNumber } from './id.js';
import { MOST_NAMED } from './metadata.js';
import { ContainerState } from './state.js';

/** The containers of the node: folds facts into their table, and logs contradictions and forgotten names. */
export class Containers {
  readonly state = new ContainerState();
  readonly #log: Log;
  readonly #warnOfNames: (message: string) => void;
  readonly #onUnknown: (count: number) => void;
  #unknown = 0;
  #namesEvicted = 0;

  /** @param onUnknown called with the number of unknown containers so far, when it grows */
  constructor(log: Log, onUnknown: (count: number) => void) {
    this.#log = log;
    this.#warnOfNames = log.throttled('warning');
    this.#onUnknown = onUnknown;
  }

  get publication(): Publication {
    const { state } = this;
    return {
      tables: () => [
        { name: 'containers', entries: state.size, capacity: state.capacity, evicted: state.evicted },
        { name: 'container_names', entries: state.names, capacity: MOST_NAMED, evicted: state.namesEvicted },
      ],
    };
  }

  fold(fact: Fact): void {
    const { state } = this;
    for (const { id, cgroup } of state.fold(fact))
      this.#log.warning(`Container ${id} was told by the kernel side, but its cgroup is '${cgroup}'`);
    if (state.unknownContainers !== this.#unknown) this.#onUnknown((this.#unknown = state.unknownContainers));
    if (state.namesEvicted === this.#namesEvicted) return;
    this.#namesEvicted = state.namesEvicted;
    this.#warnOfNames(
      `Forgot the names of ${this.#namesEvicted} containers so far: there is room for ${MOST_NAMED}`,
    );
  }

  /** Cgroup and names of a container for `/state/containers`; undefined if neither is known. @param id 12 digits */
  view(id: string): Readonly<Record<string, unknown>> | undefined {
    const cgroup = this.state.cgroup(containerNumber(id));
    const metadata = this.state.metadata(id);
    if (cgroup === undefined && metadata === undefined) return undefined;
    return {
      ...(metadata && {
        namespace: metadata.namespace,
        pod: metadata.pod,
        pod_uid: metadata.podUid,
        name: metadata.name,
        image: metadata.image,
        image_digest: metadata.imageDigest,
        labels: metadata.labels,
      }),
      ...(cgroup !== undefined && { cgroup }),
    };
  }
}

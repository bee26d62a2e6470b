import type { ContainerMetadata } from '../capture/facts.js';
import { containerId } from '../containers/id.js';
import { printable } from '../telemetry/plain-text.js';
import type { ContainerRef } from './protocol.js';

/** Gives the container of a row its names, made printable once for each report of its runtime. */
export class ContainerRefs {
  readonly #metadataOf: (container: number) => ContainerMetadata | undefined;
  readonly #known = new WeakMap<ContainerMetadata, ContainerRef>();

  constructor(metadataOf: (container: number) => ContainerMetadata | undefined) {
    this.#metadataOf = metadataOf;
  }

  /** @param container its number, as in records */
  of(container: number): ContainerRef {
    const metadata = this.#metadataOf(container);
    if (metadata === undefined)
      return { container: containerId(container), namespace: '', pod: '', name: '' };
    let ref = this.#known.get(metadata);
    if (ref === undefined) {
      const { id, namespace, pod, name } = metadata;
      ref = {
        container: id,
        namespace: printable(namespace),
        pod: printable(pod),
        name: printable(name),
      };
      this.#known.set(metadata, ref);
    }
    return ref;
  }
}

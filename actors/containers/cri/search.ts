import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../../telemetry/log.js';

/** Sockets of container runtimes, by the distributions' own documents. */
const SOCKETS_BY_RUNTIME = {
  containerd: '/run/containerd/containerd.sock',
  'CRI-O': '/run/crio/crio.sock',
  'k3s and RKE2': '/run/k3s/containerd/containerd.sock',
  k0s: '/run/k0s/containerd.sock',
  MicroK8s: '/var/snap/microk8s/common/run/containerd.sock',
  'cri-dockerd': '/run/cri-dockerd.sock',
  dockershim: '/run/dockershim.sock',
} as const;

export interface SearchOptions {
  /** Paths of the sockets to ask, below `hostRoot`. */
  readonly sockets: readonly string[];
  readonly hostRoot: string;
  readonly log: Log;
}

/**
 * Warns once where else runtimes could be, when none of the sockets answers and it matters: an unknown container was
 * met, or a socket exists elsewhere.
 */
export class Search {
  readonly #options: SearchOptions;
  readonly #silent = new Map<string, string>();
  #isOver: boolean;
  #hasContainers = false;
  #found: Promise<readonly string[]> | undefined;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#isOver = options.sockets.length === 0;
  }

  /** A socket answered: containers have their names. */
  answered(): void {
    this.#isOver = true;
  }

  /** @param reason in one line: why the socket does not answer */
  async failed(socket: string, reason: string): Promise<void> {
    this.#silent.set(socket, reason);
    await this.#warn();
  }

  /** An unknown container was met. */
  async met(): Promise<void> {
    if (this.#hasContainers) return;
    this.#hasContainers = true;
    await this.#warn();
  }

  async #warn(): Promise<void> {
    const { sockets, hostRoot, log } = this.#options;
    if (this.#isOver || this.#silent.size < sockets.length) return;
    this.#found ??= otherSockets(sockets, hostRoot);
    const found = await this.#found;
    // A socket may have answered during the wait.
    if ((this.#isOver as boolean) || (found.length === 0 && !this.#hasContainers)) return;
    this.#isOver = true;
    const tried = sockets
      .map((socket) => `${socket} (${this.#silent.get(socket) ?? 'no answer'})`)
      .join(', ');
    const below = hostRoot === '' ? '' : `, below ${hostRoot}`;
    const remedy =
      found.length > 0
        ? `set it to ${found.join(',')}, which is there`
        : `set it to where the runtime of this node listens, and mount that folder${below} (runtimeSockets of the chart does ` +
          `both): ${Object.entries(SOCKETS_BY_RUNTIME)
            .map(([name, place]) => `${name} ${place}`)
            .join(', ')}`;
    log.warning(
      `No container runtime tells the names of containers: ROX_COLLECTOR_RUNTIME_SOCKETS names ${tried}. Remedy: ${remedy}`,
    );
  }
}

/** Existing sockets at the well-known places not asked, as the setting would name them. */
async function otherSockets(asked: readonly string[], hostRoot: string): Promise<readonly string[]> {
  const places = Object.values(SOCKETS_BY_RUNTIME).filter(
    (place) => !asked.includes(path.join(hostRoot, place)),
  );
  const found = await Promise.all(places.map((place) => isSocket(path.join(hostRoot, place))));
  return places.filter((_, index) => found[index]);
}

async function isSocket(file: string): Promise<boolean> {
  return stat(file).then(
    (status) => status.isSocket(),
    () => false,
  );
}

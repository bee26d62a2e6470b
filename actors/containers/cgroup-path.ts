import { containerNumber } from './id.js';

const DIGITS = 64;
const SHORT_DIGITS = 12;
const SCOPE = '.scope';

/** A container named by a cgroup's path. */
interface NamedContainer {
  /** The first 12 digits of its id. */
  readonly id: string;
  /** Path of the cgroup bearing its name: the given one, or one above it. */
  readonly bearer: string;
}

/**
 * The containers named by a cgroup's path, the nearest first.
 *
 * The path is cut at its last `.scope`, for systemd's units and the cgroups a runtime puts below them. It then has to
 * end in `/`, `-` or `:` and 64 hexadecimal digits, and the part before them must not end in `-conmon`: that unit bears
 * the id of the container it looks after. Then the cgroup above is judged likewise: processes below a container's
 * cgroup are in the container. The kernel side decides by the same rule (native/bpf/container.h).
 */
function containersIn(path: string): NamedContainer[] {
  const containers: NamedContainer[] = [];
  for (let rest = path; rest !== '';) {
    const named = namedBy(rest);
    if (named !== undefined) containers.push(named);
    const { bearer } = named ?? { bearer: rest };
    rest = bearer.slice(0, Math.max(0, bearer.lastIndexOf('/')));
  }
  return containers;
}

/** By the last component alone, or by the last scope above it. */
function namedBy(path: string): NamedContainer | undefined {
  const scope = path.lastIndexOf(SCOPE);
  const unit = scope < 0 ? path : path.slice(0, scope);
  const start = unit.length - DIGITS;
  if (start < 1 || !'/-:'.includes(unit[start - 1]!)) return undefined;
  if (unit.slice(0, start - 1).endsWith('-conmon')) return undefined;
  const id = unit.slice(start);
  if (!/^[0-9a-f]+$/i.test(id)) return undefined;
  const end = scope < 0 ? -1 : path.indexOf('/', scope);
  return {
    id: id.slice(0, SHORT_DIGITS).toLowerCase(),
    bearer: end < 0 ? path : path.slice(0, end),
  };
}

/** The first 12 digits of the id of the container named by a cgroup's path, undefined for none. */
export function containerInPath(path: string): string | undefined {
  return containersIn(path)[0]?.id;
}

/** Whether a cgroup's path names a container, be it as the nearest one or as one further up. */
export function isContainerInPath(id: string, path: string): boolean {
  return containersIn(path).some((named) => named.id === id);
}

/** The containers a cgroup is attributed to. */
export interface ContainerAttribution {
  /** The container's number, 0 for the host. */
  readonly container: number;
  /** The outermost container around it, itself if it is in none. */
  readonly outermost: number;
}

/**
 * Finds the bearers of container names among the cgroups of a node. A process with the right to make cgroups may choose
 * their names: a name below a container is forged if another cgroup bears it too, and belongs to the container above.
 * A name below no container is always right; of others the first seen is, as long as it is there.
 */
export class ContainerNames {
  /** Bearers by hierarchy and container: below no container, and below some. */
  #top = new Map<string, string>();
  #nested = new Map<string, string>();
  #seen = new Map<string, string[]>();

  /** Notes an existing cgroup, before `settle`. */
  note(hierarchy: string, path: string): void {
    const found = containersIn(path);
    found.forEach(({ id, bearer }, place) => {
      const key = `${hierarchy} ${id}`;
      if (place === found.length - 1) this.#top.set(key, bearer);
      else this.#noteNested(key, bearer);
    });
  }

  /** Takes all cgroups noted since `begin` for the existing ones; the others are gone. */
  settle(): void {
    const before = this.#nested;
    this.#nested = new Map();
    for (const [key, bearers] of this.#seen) {
      const first = before.get(key);
      this.#nested.set(key, first !== undefined && bearers.includes(first) ? first : bearers[0]!);
    }
    this.#seen = new Map();
  }

  /** Forgets the bearers of names below no container, so that only cgroups noted from now on count. */
  begin(): void {
    this.#top = new Map();
    this.#seen = new Map();
  }

  containerOf(hierarchy: string, path: string): ContainerAttribution {
    const found = containersIn(path);
    const right = found.find(({ id, bearer }, place) => {
      if (place === found.length - 1) return true;
      const key = `${hierarchy} ${id}`;
      return (this.#top.get(key) ?? this.#nested.get(key) ?? bearer) === bearer;
    });
    return right === undefined
      ? { container: 0, outermost: 0 }
      : { container: containerNumber(right.id), outermost: containerNumber(found.at(-1)!.id) };
  }

  #noteNested(key: string, bearer: string): void {
    const bearers = this.#seen.get(key);
    if (bearers === undefined) this.#seen.set(key, [bearer]);
    else if (!bearers.includes(bearer)) bearers.push(bearer);
  }
}

import { containerNumber } from './id.js';

const DIGITS = 64;
const SHORT_DIGITS = 12;
const SCOPE = '.scope';

/**
 * The container that a cgroup's path names: the first 12 digits of its id, undefined for none.
 *
 * The path is cut at its last `.scope`, for systemd's units and what a runtime puts below them. It then has to end in
 * `/`, `-` or `:` and 64 hexadecimal digits, and what stands before those must not end in `-conmon`, whose unit bears
 * the id of the container that it looks after. The kernel side decides by the same rule (native/bpf/container.h).
 */
export function containerInPath(path: string): string | undefined {
  const scope = path.lastIndexOf(SCOPE);
  const unit = scope < 0 ? path : path.slice(0, scope);
  const start = unit.length - DIGITS;
  if (start < 1 || !'/-:'.includes(unit[start - 1]!)) return undefined;
  if (unit.slice(0, start - 1).endsWith('-conmon')) return undefined;
  const id = unit.slice(start);
  return /^[0-9a-f]+$/i.test(id) ? id.slice(0, SHORT_DIGITS).toLowerCase() : undefined;
}

/** The same as the number that records have, 0 for none. */
export function containerNumberInPath(path: string): number {
  const id = containerInPath(path);
  return id === undefined ? 0 : containerNumber(id);
}

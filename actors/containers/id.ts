/** `CONTAINER_PRESENT` of native/bpf/layout.h: sets the numbers of containers apart from 0, the host. */
const PRESENT = 2 ** 48;
const DIGITS = 12;

/** Numbers this large are slow to write in another base, and every message has one of few. */
const known = new Map<number, string>();
const MOST_KNOWN = 4096;

/** The container's id as the wire has it: 12 lower-case hexadecimal digits, empty for the host (0). */
export function containerId(container: number): string {
  if (container === 0) return '';
  let id = known.get(container);
  if (id === undefined) {
    id = (container - PRESENT).toString(16).padStart(DIGITS, '0');
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(container, id);
  }
  return id;
}

/** The container's number, of an id of 12 hexadecimal digits. */
export function containerNumber(id: string): number {
  return PRESENT + parseInt(id, 16);
}

/** The text of an id, as requests have it; and the end of a sentence about another text. */
export const CONTAINER_ID = /^[0-9a-f]{12}$/;
export const NO_CONTAINER_ID = 'is no container id (allowed: its first 12 digits, 0-9 and a-f)';

/** `CONTAINER_PRESENT` of native/bpf/layout.h: what a container's number has that 0, the host, does not. */
const PRESENT = 2 ** 48;
const DIGITS = 12;

/** The container's id as the wire has it: 12 lower-case hexadecimal digits, empty for the host (0). */
export function containerId(container: number): string {
  return container === 0 ? '' : (container - PRESENT).toString(16).padStart(DIGITS, '0');
}

import type { Run } from '../../../scripts/compare/run.js';

/** A run with these samples, its work all delivered. */
export function runOf(cpu: readonly number[], memory: readonly number[], more: Partial<Run> = {}): Run {
  const counts = { execs: 1000, endpoints: 100, connections: 200 };
  return { cpu, memory, made: counts, delivered: counts, lost: 0, ...more };
}

/** So many samples around a value. */
export function around(value: number, spread = 0.1, count = 60): number[] {
  return Array.from({ length: count }, (_, at) => value + spread * Math.sin(at * 2.4));
}

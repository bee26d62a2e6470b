/** Things made by a workload and reported to Sensor. */
export interface Counts {
  /** Programs started. */
  readonly execs: number;
  /** Connections, begun and ended. */
  readonly connections: number;
}

export const NONE: Counts = { execs: 0, connections: 0 };

/** Combines two counts, kind by kind. */
export function combine(a: Counts, b: Counts, how: (a: number, b: number) => number): Counts {
  return { execs: how(a.execs, b.execs), connections: how(a.connections, b.connections) };
}

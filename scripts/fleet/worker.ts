/** A process that simulates nodes: gets tasks from `workers.ts`, and answers each with its sums. */
import { readRecordings } from './kinds.js';
import { simulate, type FleetNode, type Simulation } from './simulate.js';

/** Nodes to run, and how. */
export interface Task {
  readonly nodes: readonly FleetNode[];
  readonly simulation: Simulation;
}

const recordings = readRecordings();
process.on('message', ({ nodes, simulation }: Task) =>
  process.send!(simulate(nodes, recordings, simulation)),
);

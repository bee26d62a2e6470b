import type { Place, Site } from './site.js';
import type { Target } from './verdict.js';

/** Work of others on the node, of one kind. */
export interface Workload {
  /** For `--only`. */
  readonly name: string;
  /** In the table. */
  readonly title: string;
  /** Debian packages with its programs, beyond those for a build. */
  readonly packages: readonly string[];
  readonly target?: Target;
  /** Places with the target; default: all. */
  readonly targetIn?: readonly Place[];
  /** Events of an operation, as an agent has to see them; without any, an agent is as quick young as old. */
  readonly events?: OperationEvents;
  /** Starts its servers and learns its speed, without any agent. */
  start(site: Site, place: Place): Promise<RunningWorkload>;
}

export interface OperationEvents {
  /** Programs started by one operation, with arguments of their own. */
  readonly execs?: number;
  /** TCP connections made by one operation. */
  readonly connections?: number;
}

/** A workload whose servers, if it has any, are up. */
export interface RunningWorkload {
  /** Works for about so long; at least once. */
  run(seconds: number): Promise<Work>;
  stop(): Promise<void>;
}

/** A run of a workload. */
export interface Work {
  readonly operations: number;
  /** By the clock, ns. */
  readonly elapsed: number;
}

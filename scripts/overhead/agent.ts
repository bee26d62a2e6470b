import type { Site } from './site.js';

/** A watcher of the node, as a program. */
export interface Agent {
  /** For `--agents`, and in the table. */
  readonly name: string;
  /** Its task, in words. */
  readonly task: string;
  /** Debian packages with its programs. */
  readonly packages: readonly string[];
  /** Compiles its hot path while it runs, so that it is measured at both ages. */
  readonly ages: boolean;
  /** @throws Error if it does not become ready, with its words */
  start(site: Site): Promise<RunningAgent>;
  /** Ends helpers kept from life to life. */
  close?(): Promise<void>;
}

export interface RunningAgent {
  /** Ends it. @returns its own counts, if it has any */
  stop(): Promise<Seen | undefined>;
}

/** Counts of a life. */
export interface Seen {
  /** Processes of our containers, as they arrived at Sensor. */
  readonly processes: number;
  /** Records of TCP connections. */
  readonly records: number;
  /** Events lost, by the agent's own count. */
  readonly lost: number;
}

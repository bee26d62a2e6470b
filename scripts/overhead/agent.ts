import type { Site } from './site.js';

/** A program on the node that watches it. */
export interface Agent {
  /** For `--agents`, and in the table. */
  readonly name: string;
  /** What it is asked to do, in words. */
  readonly task: string;
  /** Debian packages with its programs. */
  readonly packages: readonly string[];
  /** Compiles its hot path while it runs, so that it is measured at both ages. */
  readonly ages: boolean;
  /** @throws Error if it does not become ready, with its words */
  start(site: Site): Promise<RunningAgent>;
  /** Ends what outlives its lives. */
  close?(): Promise<void>;
}

export interface RunningAgent {
  /** Ends it. @returns what it saw of its life, if it says so */
  stop(): Promise<Seen | undefined>;
}

/** What an agent saw in its life. */
export interface Seen {
  /** Processes of our containers that arrived at Sensor. */
  readonly processes: number;
  /** Records of TCP connections. */
  readonly records: number;
  /** Events lost, by the agent's own count. */
  readonly lost: number;
}

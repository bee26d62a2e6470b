import { WIRE } from '../container.js';
import type { Content } from '../content.js';
import type { Connection, Endpoint } from '../messages.js';
import type { Stage } from '../stage.js';

/** A kind of run with a recording in the corpus. */
export interface Scenario {
  /** Makes containers, starts the Collector, has things happen and ends the Collector. */
  readonly play: (stage: Stage) => Promise<void>;
  /** @throws AssertionError if the recording lacks its subject */
  readonly check: (content: Content) => void;
}
export type Scenarios = Readonly<Record<string, Scenario>>;

/** Longer than from one report to the next. */
export const REPORT_MS = 1200;
export const [CALLER, HOST] = WIRE.v4;

/** Jobs of a container: a script of bash, or of Node. Neither may have tabs or newlines. */
export const bash = (text: string) => ['exec', '/bin/bash', '-c', text] as const;
export const node = (text: string) => ['exec', process.execPath, '-e', text] as const;

export function closed<T extends Connection | Endpoint>(reports: readonly T[]): T[] {
  return reports.filter(({ closeTimestamp }) => closeTimestamp !== undefined);
}

/** All reports of the clients' side of connections to a port, such as `open closed`. */
export function statesOf(connections: readonly Connection[], port: number): string {
  return connections
    .filter(({ remoteAddress }) => remoteAddress.port === port)
    .map(({ closeTimestamp }) => (closeTimestamp === undefined ? 'open' : 'closed'))
    .join(' ');
}

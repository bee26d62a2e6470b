import type { Ancestor } from '../capture/process-record.js';

/** Says that a process runs, or has replaced its image. Becomes a `storage.ProcessSignal`. */
export interface ProcessSignal {
  /** Byte offset of the process in the fact's records. */
  readonly record: number;
  /** UUID. */
  readonly id: string;
  /** The container's number, 0 for the host. */
  readonly container: number;
  /** Owner of the share of a queue it takes: its container, or the outermost around that. */
  readonly sharer: number;
  /** Of the exec; of the process's start if a scan found it running. Unix time in µs. */
  readonly time: number;
  readonly name: string;
  /** Path of the executable as the process sees it. */
  readonly path: string;
  /** Without argv[0], joined by spaces. */
  readonly args: string;
  /** On the host. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Scanned while it ran, not seen to start. */
  readonly scraped: boolean;
  /** Nearest first. */
  readonly lineage: readonly Ancestor[];
}

const COUNTER_DIGITS = 15;

/**
 * The id of a run's n-th signal: a UUID of version 8 (RFC 9562 §5.8), 60 bits drawn for the run and 60 bits of n. So
 * ids never repeat on a node or between nodes, and a replayed run has the ids of the recorded one.
 * @param seed 15 hexadecimal digits
 */
export function signalId(seed: string, n: number): string {
  const counter = n.toString(16).padStart(COUNTER_DIGITS, '0');
  return `${seed.slice(0, 8)}-${seed.slice(8, 12)}-8${seed.slice(12)}-8${counter.slice(0, 3)}-${counter.slice(3)}`;
}

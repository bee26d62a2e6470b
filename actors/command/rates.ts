import type { ContainerRef, EventRow } from '../inspection/protocol.js';

/** Seconds of a rate. */
export const WINDOW = 5;
const SECOND_MS = 1000;
/** Peers counted for one row; more are shown as so many. */
const MOST_PEERS = 1000;
/** As the kernel cuts names of processes: events of one process have its path or this name. */
const COMM_LENGTH = 15;

/** Events of one container or process in the window, as numbers a second; peers of the whole window. */
export interface RateRow {
  readonly container: ContainerRef;
  /** Name of the process; empty: of all in the container. */
  readonly process: string;
  readonly execs: number;
  readonly exits: number;
  readonly connections: number;
  readonly peers: number;
  readonly events: number;
}

interface Counts {
  readonly container: ContainerRef;
  readonly process: string;
  execs: number;
  exits: number;
  connections: number;
  events: number;
  readonly peers: Set<string>;
}

/** Counts events by container and process over the last seconds. */
export class Rates {
  /** A second each, the latest last. */
  #seconds: { readonly second: number; readonly counts: Map<string, Counts> }[] = [];

  /** @param now Unix time in ms */
  add(row: EventRow, now: number): void {
    const process = row.process.slice(row.process.lastIndexOf('/') + 1).slice(0, COMM_LENGTH);
    const counts = countsOf(this.#current(now), row, process);
    counts.events++;
    if (row.kind === 'exec') counts.execs++;
    if (row.kind === 'exit') counts.exits++;
    if (row.kind !== 'connect' && row.kind !== 'accept') return;
    counts.connections++;
    addPeer(counts, row.remote ?? '');
  }

  /** The rates of the last whole seconds. */
  rows(by: 'container' | 'process', now: number): RateRow[] {
    const sums = new Map<string, Counts>();
    const current = Math.floor(now / SECOND_MS);
    const past = this.#seconds.filter(({ second }) => second < current && second >= current - WINDOW);
    for (const { counts } of past)
      for (const one of counts.values()) {
        const sum = countsOf(sums, one.container, by === 'process' ? one.process : '');
        sum.execs += one.execs;
        sum.exits += one.exits;
        sum.connections += one.connections;
        sum.events += one.events;
        for (const peer of one.peers) addPeer(sum, peer);
      }
    return [...sums.values()].map(({ container, process, execs, exits, connections, events, peers }) => ({
      container,
      process,
      execs: execs / WINDOW,
      exits: exits / WINDOW,
      connections: connections / WINDOW,
      peers: peers.size,
      events: events / WINDOW,
    }));
  }

  #current(now: number): Map<string, Counts> {
    const second = Math.floor(now / SECOND_MS);
    const last = this.#seconds.at(-1);
    if (last?.second === second) return last.counts;
    const counts = new Map<string, Counts>();
    this.#seconds = [...this.#seconds.slice(-WINDOW), { second, counts }];
    return counts;
  }
}

function countsOf(
  all: Map<string, Counts>,
  { container, namespace, pod, name }: ContainerRef,
  process: string,
): Counts {
  const key = `${container} ${process}`;
  let counts = all.get(key);
  if (counts === undefined) {
    counts = {
      container: { container, namespace, pod, name },
      process,
      execs: 0,
      exits: 0,
      connections: 0,
      events: 0,
      peers: new Set(),
    };
    all.set(key, counts);
  }
  return counts;
}

function addPeer({ peers }: Counts, peer: string): void {
  if (peers.size < MOST_PEERS) peers.add(peer);
}

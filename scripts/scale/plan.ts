import type { Part } from './data.js';

/** How much is measured. Times in ms, but for the interval. */
export interface Plan {
  /** Live connections of the kernel, and of records written into rings. */
  readonly sockets: readonly number[];
  readonly fed: readonly number[];
  readonly containers: readonly number[];
  readonly rings: readonly number[];
  readonly facts: readonly number[];
  /** Containers that hold the live connections: those of a full node. */
  readonly holders: number;
  /** Repetitions of each cost, the median of which counts. */
  readonly rounds: number;
  /** Of each load. */
  readonly load: number;
  /** Seconds between two ticks, where ticks are measured. */
  readonly interval: number;
  readonly warmUp: WarmUp;
  readonly tidy: number;
  readonly idle: number;
  /** At full rates. */
  readonly rates: number;
  /** Seconds that each part takes, for the time left. */
  readonly expected: Readonly<Record<Part, number>>;
}

/** Until V8 has compiled most of the code: what is fed before anything is measured. */
export interface WarmUp {
  readonly execs: number;
  readonly connections: number;
}

export const plans: Readonly<Record<'full' | 'quick', Plan>> = {
  full: {
    sockets: [1000, 10_000],
    fed: [1000, 10_000, 100_000, 1_000_000],
    containers: [1, 10, 100, 500],
    rings: [2, 8, 32, 128],
    facts: [1000, 10_000, 100_000, 1_000_000],
    holders: 500,
    rounds: 2,
    load: 800,
    interval: 12,
    warmUp: { execs: 20_000, connections: 100_000 },
    tidy: 13_000,
    idle: 30_000,
    rates: 10_000,
    expected: {
      idle: 45,
      sockets: 175,
      fed: 340,
      containers: 60,
      producers: 40,
      rings: 120,
      rates: 30,
      state: 60,
    },
  },
  quick: {
    sockets: [1000],
    fed: [1000, 3000, 10_000],
    containers: [1, 5, 20],
    rings: [2, 8, 32],
    facts: [1000, 10_000, 100_000],
    holders: 20,
    rounds: 1,
    load: 400,
    interval: 8,
    warmUp: { execs: 5000, connections: 20_000 },
    tidy: 2000,
    idle: 4000,
    rates: 2000,
    expected: {
      idle: 9,
      sockets: 20,
      fed: 40,
      containers: 20,
      producers: 12,
      rings: 25,
      rates: 12,
      state: 15,
    },
  },
};

import type { Place } from './site.js';

/** Of an agent: just started, or with its hot path compiled. */
export const agesOfAgent = ['young', 'warm'] as const;
export type Age = (typeof agesOfAgent)[number];

/** Costs of one operation, ns. */
export interface Costs {
  readonly clock: number;
  /** Processor time of the workload, hooks of agents included. */
  readonly work: number;
  /** Processor time of the agent itself. */
  readonly agent: number;
  /** Processor time of the kernel's threads. */
  readonly kernel: number;
}

/** A life of an agent, between two runs without it. */
export interface Block {
  readonly workload: string;
  readonly place: Place;
  readonly agent: string;
  readonly before: Costs;
  readonly ages: Partial<Readonly<Record<Age, Costs>>>;
  readonly after: Costs;
  /** Events lost in the life, by the agent's own count. */
  readonly lost: number;
}

/** Processor time of the node for an operation, ns: of all who work for it. */
export function nodeCost({ work, agent, kernel }: Costs): number {
  return work + agent + kernel;
}

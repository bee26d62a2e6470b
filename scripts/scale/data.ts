import type { Figure } from '../bench/figures.js';

/** The parts of the measurement, in the order of a run. */
export const parts = [
  'idle',
  'sockets',
  'fed',
  'containers',
  'producers',
  'rings',
  'rates',
  'state',
] as const;
export type Part = (typeof parts)[number];

/** How a cost grows. */
export interface Curve {
  /** The cost, such as `CPU for 1,000 execs`. */
  readonly name: string;
  readonly unit: 'ms' | 'MB';
  /** What there is more and more of. */
  readonly along: 'live connections' | 'containers' | 'rings' | 'producers';
  /** What stands for the load: see `origins`. */
  readonly origin: Origin;
  /** Most growth: 1 with n for the sum of all, 0 for one more of the same, caches aside. */
  readonly most: number;
  readonly points: readonly Point[];
  /** Targets: at x, no more than y. */
  readonly limits?: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Where the facts of a curve come from. */
export const origins = {
  kernel: 'processes and sockets of the kernel',
  rings: "records written into the kernel's rings, for sockets and processes there are not",
  facts: 'facts made up, folded by the state and encoded, without a kernel',
} as const;
export type Origin = keyof typeof origins;

/** What a part of the measurement gives. */
export interface PartResult {
  readonly curves: readonly Curve[];
  readonly figures: readonly Figure[];
}

/** The measured parts. */
export type ScaleData = Partial<Readonly<Record<Part, PartResult>>>;

/** All curves, in the order of the parts. */
export function curvesOf(data: ScaleData): Curve[] {
  return parts.flatMap((part) => data[part]?.curves ?? []);
}

/** All figures, in the order of the parts. */
export function figuresOf(data: ScaleData): Figure[] {
  return parts.flatMap((part) => data[part]?.figures ?? []);
}

import type { Interval } from './estimate.js';

/** What others may pay at most, as a ratio of costs with an agent and without. */
export type Target =
  /** Nothing to be seen by the clock. */
  | { readonly kind: 'noise' }
  /** By the clock: at least this share of the operations in the same time. */
  | { readonly kind: 'rate'; readonly least: number }
  /** Processor time of the node: at most this many times as much. */
  | { readonly kind: 'node'; readonly most: number };

/** Whether a target is met, as far as the interval of its figure can tell. */
export interface Verdict {
  readonly target: string;
  readonly verdict: 'met' | 'missed' | 'open';
  /** From the estimate to the target, as a share of bare; 0 if within. */
  readonly distance: number;
}

/** An interval wider than this to either side can't tell noise from a cost, as a share of bare. */
const NOISE = 0.01;

/** @param ratios with an agent to without, by the clock and of the node's processor time */
export function judge(
  target: Target,
  ratios: { readonly clock: Interval; readonly node: Interval },
): Verdict {
  if (target.kind === 'noise') {
    const { ratio, low, high } = ratios.clock;
    const text = 'noise around ×1.00';
    if (low === undefined || high === undefined) return { target: text, verdict: 'open', distance: 0 };
    if (low > 1) return { target: text, verdict: 'missed', distance: ratio - 1 };
    return { target: text, verdict: high <= 1 + NOISE ? 'met' : 'open', distance: 0 };
  }
  if (target.kind === 'rate')
    return atMost(ratios.clock, 1 / target.least, `rate ≥ ${target.least.toFixed(2)} of bare`);
  return atMost(ratios.node, target.most, `node ≤ ×${target.most.toFixed(2)}`);
}

function atMost({ ratio, low, high }: Interval, most: number, target: string): Verdict {
  const distance = Math.max(0, ratio - most);
  if (high !== undefined && high <= most) return { target, verdict: 'met', distance };
  if (low !== undefined && low > most) return { target, verdict: 'missed', distance };
  return { target, verdict: 'open', distance };
}

import { fromTransition } from 'xstate';

/** Running counts of a part, by name. */
export type Counts = Readonly<Record<string, unknown>>;

/** Brings a part the counts of now. */
export interface Sampled {
  readonly type: 'sampled';
  readonly counts: Counts;
}

/**
 * A part of a run as an actor: it lives while Collector collects, and its context has the counts of the latest
 * sample. Records never pass through it; between two samples it does nothing.
 */
export const part = fromTransition((_counts: Counts, { counts }: Sampled) => counts, {});

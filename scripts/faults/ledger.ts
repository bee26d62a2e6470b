import { combine, NONE, type Counts } from './counts.js';

/** A counted loss: its place, its cause. */
export interface Loss {
  readonly stage: string;
  readonly cause: string;
  readonly count: number;
}

/** Both sides of the law: things made, and where they are. */
export interface Ledger {
  readonly made: Counts;
  readonly delivered: Counts;
  /** Made while no Collector ran. */
  readonly unwatched: Counts;
  readonly losses: readonly Loss[];
  /** Whether other containers made something, too: the losses may be of theirs. */
  readonly isShared: boolean;
}

const LOSS = /^collector_losses_total\{stage="([^"]+)",cause="([^"]+)"\} (\d+)$/;
/** The last words about queues: process signals, then network reports. */
const UNCONFIRMED =
  /did not confirm (\d+) process signals by the end: .* The same is so of (\d+) network reports/;

/** Losses of programs, and of ends of connections; a record of the kernel can be of either. */
const OF_EXECS = ['sensor/queue_full', 'sensor/unconfirmed', 'end/unconfirmed'];
const OF_CONNECTIONS = [
  'connections/table_full',
  'connections/rate_limited',
  'sensor/reports_full',
  'sensor/reports_unconfirmed',
  'end/reports_unconfirmed',
];
const OF_EITHER = ['kernel/ring_full', 'kernel/over_share', 'kernel/record_failed', 'kernel/program_busy'];

/** Most losses beyond the missing things, a part of all made: other messages are lost with ours. */
const TOLERANCE = 0.01;

/** The losses in an exposition of `/metrics`, without the zeros. */
export function lossesIn(exposition: string): Loss[] {
  return exposition.split('\n').flatMap((line) => {
    const [, stage, cause, count] = LOSS.exec(line) ?? [];
    return stage !== undefined && Number(count) > 0 ? [{ stage, cause: cause!, count: Number(count) }] : [];
  });
}

/**
 * The unconfirmed messages in the log of an ended run: stage `end`.
 * @param endsInReport most ends of connections in a report
 */
export function unconfirmedIn(log: string, endsInReport: number): Loss[] {
  const [, signals, reports] = UNCONFIRMED.exec(log) ?? [];
  return [
    { stage: 'end', cause: 'unconfirmed', count: Number(signals ?? 0) },
    { stage: 'end', cause: 'reports_unconfirmed', count: Number(reports ?? 0) * endsInReport },
  ].filter(({ count }) => count > 0);
}

/** Things neither delivered nor made unwatched. */
export function missing({ made, delivered, unwatched }: Ledger): Counts {
  return combine(combine(made, delivered, minus), unwatched, minus);
}

/**
 * By how many the law is broken, 0 if it holds: positive for things neither delivered nor counted, negative for things
 * counted as never sent and not missing.
 */
export function imbalance(ledger: Ledger): number {
  const { execs, connections } = missing(ledger);
  const counted = (names: readonly string[]) =>
    ledger.losses.reduce(
      (sum, { stage, cause, count }) => sum + (names.includes(`${stage}/${cause}`) ? count : 0),
      0,
    );
  const unexplained =
    Math.max(execs - counted(OF_EXECS), 0) + Math.max(connections - counted(OF_CONNECTIONS), 0);
  const broken = Math.max(unexplained - counted(OF_EITHER), 0);
  if (broken > 0 || ledger.isShared) return broken;
  const excess = counted(['sensor/queue_full']) - execs - ledger.made.execs * TOLERANCE;
  return excess < 1 ? 0 : -Math.floor(excess);
}

/** Sums up losses of several Collectors. */
export function addLosses(all: readonly Loss[]): Loss[] {
  const sums = new Map<string, Loss>();
  for (const { stage, cause, count } of all) {
    const key = `${stage}/${cause}`;
    sums.set(key, { stage, cause, count: count + (sums.get(key)?.count ?? 0) });
  }
  return [...sums.values()];
}

/** A ledger with nothing in it. */
export const EMPTY: Ledger = { made: NONE, delivered: NONE, unwatched: NONE, losses: [], isShared: false };

function minus(a: number, b: number): number {
  return a - b;
}

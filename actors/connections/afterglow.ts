import { isActive } from './activity.js';
import { ACTIVE, type SlotTable } from './table.js';

/**
 * A table of reports has two states for each entry: the present one, if it is CURRENT, and the last reported one, if it
 * is REPORTED: `reportedActive`, and WAS_ACTIVE in place of ACTIVE.
 */
export const CURRENT = 2;
export const REPORTED = 4;
export const WAS_ACTIVE = 8;
/** Reported before, to another audience. */
export const REPORTED_BEFORE = 16;

/** Times of a delta, in the table's clock. */
export interface ReportTimes {
  /** T: time of this report. */
  readonly now: number;
  /** T0: time of the previous report. */
  readonly before: number;
  /** P: how long a closed entry still counts as active; 0 reports every change. */
  readonly period: number;
}

/** Reports the entry at `slot`: as active, or as closed at the time of its last activity. */
export type Emit = (slot: number, closed: number | undefined) => void;

/** Further rules for entries; none by default. */
export interface Rules {
  /** Whether the entry counts as closed from now on, active or not, and is forgotten after its report. */
  readonly isOver?: (table: SlotTable, slot: number) => boolean;
  /** Whether there is room to report the entry as active. Asked once for each such entry. */
  readonly admits?: (table: SlotTable, slot: number) => boolean;
  /** Asks `admits` about closed entries too, if they were never reported. */
  readonly limitsClosed?: boolean;
}

/** Merges a socket into the entry at `slot`: the entry is active as long as one of its sockets is. */
export function merge(table: SlotTable, slot: number, lastActive: number, active: boolean): void {
  const flags = table.flags[slot]!;
  const isFirst = (flags & CURRENT) === 0;
  if (isFirst || lastActive > table.lastActive[slot]!) table.lastActive[slot] = lastActive;
  table.flags[slot] = (isFirst ? flags & ~ACTIVE : flags) | CURRENT | (active ? ACTIVE : 0);
}

/**
 * Prepares the entry at `slot` for a fresh audience: as closed at its last known activity. If its sockets still exist,
 * they are merged after it.
 */
export function markUnreported(table: SlotTable, slot: number): void {
  if ((table.flags[slot]! & REPORTED) === 0) return;
  merge(table, slot, table.reportedActive[slot]!, false);
  table.flags[slot] = (table.flags[slot]! & ~(REPORTED | WAS_ACTIVE)) | REPORTED_BEFORE;
}

/** Whether the entry at `slot` can be dropped silently: it was never reported. */
export function isUnreported(table: SlotTable, slot: number): boolean {
  return (table.flags[slot]! & REPORTED) === 0;
}

/**
 * Reports the entries of `[from, to)` with a difference between their last report and now. Afterwards they are REPORTED
 * and no longer CURRENT, or removed. A whole table can be settled in parts, from the last on.
 *
 * An entry is recent at t if it is active, or was active less than a period before t (its afterglow). So an entry
 * closed and reopened within the period is not reported again, and a closed one is reported after the period. Until
 * then the entry stays, as reported, even without sockets. Without a period, only activity counts.
 */
export function settle(
  table: SlotTable,
  times: ReportTimes,
  emit: Emit,
  rules: Rules = {},
  from = 0,
  to: number = table.size,
): void {
  table.retain((slot) => settleEntry(table, slot, times, emit, rules), from, to);
}

/**
 * The cases, by the entry's state in the last report and now; "closed t" is a report as closed at t, the last activity.
 *
 *     last report  now                                  report         kept
 *     any          no sockets, recent by last report    -              yes
 *     recent       no sockets, not recent               closed t       no
 *     not recent   no sockets, not recent               -              no
 *     none         recent, admitted                     active         yes
 *     none         recent, not admitted                 -              no: if open, it comes up at the next report
 *     none         not recent                           closed t       yes (*)
 *     recent       recent                               -              yes
 *     recent       not recent                           closed t       yes
 *     not recent   recent, admitted                     active         yes
 *     not recent   recent, not admitted                 -              yes, as last reported
 *     not recent   not recent, active since             closed t       yes
 *     not recent   not recent, same last activity       -              yes
 *
 * (*) With `limitsClosed` only if admitted; else it is lost. An entry over by `isOver` is never recent, nor kept.
 * @returns whether the entry is kept
 */
function settleEntry(
  table: SlotTable,
  slot: number,
  { now, before, period }: ReportTimes,
  emit: Emit,
  { isOver = no, admits = yes, limitsClosed = false }: Rules,
): boolean {
  const flags = table.flags[slot]!;
  const lastActive = table.lastActive[slot]!;
  const reportedActive = table.reportedActive[slot]!;
  const isKnown = (flags & REPORTED) !== 0;
  const wasRecent = isKnown && wasReportedRecent(table, slot, before, period);
  const over = isOver(table, slot);
  if ((flags & CURRENT) === 0) {
    if (isInAfterglow(reportedActive, now, period) && !over) return true;
    if (wasRecent) emit(slot, reportedActive);
    return false;
  }

  const active = isActive(table, slot);
  const isRecent = !over && (active || isInAfterglow(lastActive, now, period));
  const isNew = isRecent ? !wasRecent : limitsClosed && !isKnown;
  if (isNew && !admits(table, slot)) {
    table.flags[slot] = flags & ~(CURRENT | ACTIVE);
    return isKnown;
  }
  const isChanged = !isKnown || isRecent !== wasRecent || (!isRecent && lastActive > reportedActive);
  if (isChanged) emit(slot, isRecent ? undefined : lastActive);
  table.reportedActive[slot] = lastActive;
  table.flags[slot] = REPORTED | (active ? WAS_ACTIVE : 0);
  return !over;
}

/** Whether the last report, made at `before`, had the reported entry at `slot` as active. */
export function wasReportedRecent(table: SlotTable, slot: number, before: number, period: number): boolean {
  const wasActive = (table.flags[slot]! & WAS_ACTIVE) !== 0;
  return wasActive || isInAfterglow(table.reportedActive[slot]!, before, period);
}

const no = (): boolean => false;
const yes = (): boolean => true;

/** Whether `time` is less than a period after the last activity; activity after `time` counts as at `time`. */
function isInAfterglow(lastActive: number, time: number, period: number): boolean {
  return Math.max(time - lastActive, 0) < period;
}

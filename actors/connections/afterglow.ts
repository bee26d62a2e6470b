import { isActive } from './activity.js';
import { ACTIVE, type SlotTable } from './table.js';

/**
 * A table of what is reported has for each entry what it is now, if it is CURRENT, and beside it what it was reported
 * as, if it is REPORTED: then `reportedActive`, and WAS_ACTIVE as ACTIVE was.
 */
export const CURRENT = 2;
export const REPORTED = 4;
export const WAS_ACTIVE = 8;
/** It was reported before, to somebody else. */
export const REPORTED_BEFORE = 16;

/** When a delta is made, all in the table's clock. */
export interface ReportTimes {
  /** T: of this report. */
  readonly now: number;
  /** T0: of the report before. */
  readonly before: number;
  /** P: how long something closed still counts as active; 0 reports every change. */
  readonly period: number;
}

/** Is called with the slot of something to report: as active, or as closed when it was last active. */
export type Emit = (slot: number, closed: number | undefined) => void;

/** What else decides about an entry; by default nothing does. */
export interface Rules {
  /** Whether the entry counts as closed from now on, active or not, and is then forgotten. */
  readonly isOver?: (table: SlotTable, slot: number) => boolean;
  /** Whether there is room to report the entry as active. Asked once for each that is to be. */
  readonly admits?: (table: SlotTable, slot: number) => boolean;
  /** Asks `admits` about closed entries too, if they were never reported as active. */
  readonly limitsClosed?: boolean;
}

/** Adds one of the sockets that are reported as the entry at `slot`: it is active as long as any of them is. */
export function merge(table: SlotTable, slot: number, lastActive: number, active: boolean): void {
  const flags = table.flags[slot]!;
  const isFirst = (flags & CURRENT) === 0;
  if (isFirst || lastActive > table.lastActive[slot]!) table.lastActive[slot] = lastActive;
  table.flags[slot] = (isFirst ? flags & ~ACTIVE : flags) | CURRENT | (active ? ACTIVE : 0);
}

/**
 * Makes what was reported news again, as closed when it was last seen to be active: it may have been told to nobody.
 * What is still there will say so itself.
 */
export function markUnreported(table: SlotTable, slot: number): void {
  if ((table.flags[slot]! & REPORTED) === 0) return;
  merge(table, slot, table.reportedActive[slot]!, false);
  table.flags[slot] = (table.flags[slot]! & ~(REPORTED | WAS_ACTIVE)) | REPORTED_BEFORE;
}

/**
 * Reports in what the entries of `[from, to)` differ between what they were reported as and what they are; then they
 * are REPORTED as that and no more CURRENT, or taken out. All of a table can be done in parts, from the last on.
 *
 * Something is recently active at t when it is active or was so less than a period before t. Thus what closes and
 * opens again within the period is not reported a second time, and what closes is told once the period is over. So
 * an entry stays, as it was reported, while it is within the period although it is current no more. Without a period
 * all this comes down to what is active.
 *
 * What is not admitted counts as not seen: it is remembered only if it was reported before. If it is open it comes
 * up again at the next report; if it has closed it is lost.
 */
export function delta(
  table: SlotTable,
  moment: ReportTimes,
  emit: Emit,
  rules: Rules = {},
  from = 0,
  to: number = table.size,
): void {
  table.retain((slot) => settle(table, slot, moment, emit, rules), from, to);
}

/** @returns whether anything is left to be remembered of the entry */
function settle(
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
  const wasRecent = isKnown && ((flags & WAS_ACTIVE) !== 0 || isInAfterglow(reportedActive, before, period));
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
  const isNews = !isKnown || isRecent !== wasRecent || (!isRecent && lastActive > reportedActive);
  if (isNews) emit(slot, isRecent ? undefined : lastActive);
  table.reportedActive[slot] = lastActive;
  table.flags[slot] = REPORTED | (active ? WAS_ACTIVE : 0);
  return !over;
}

const no = (): boolean => false;
const yes = (): boolean => true;

/** Whether `time` is less than the period after the last activity; what is newer than `time` is as of `time`. */
function isInAfterglow(lastActive: number, time: number, period: number): boolean {
  return Math.max(time - lastActive, 0) < period;
}

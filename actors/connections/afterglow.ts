import { isActive } from './activity.js';
import type { Table } from './table.js';

/** When a delta is made, all in the tables' clock. */
export interface Moment {
  /** T: of this report. */
  readonly now: number;
  /** T0: of the report before. */
  readonly before: number;
  /** P: how long something closed still counts as active; 0 reports every change. */
  readonly period: number;
}

/** Is called with the table and slot of something to report, as active or as closed when it was last active. */
export type Emit = (table: Table, slot: number, active: boolean) => void;

/**
 * Reports what differs between what was `reported` and what is `current`, and brings `reported` up to date.
 *
 * Something is recently active at t when it is active or was so less than a period before t. Thus what closes and
 * opens again within the period is not reported a second time, and what closes is told once the period is over. So
 * `reported` keeps what is still within the period although it is current no more. Without a period all this
 * comes down to what is active.
 */
export function delta(reported: Table, current: Table, moment: Moment, emit: Emit): void {
  const { now, before, period } = moment;

  for (let slot = current.next(0); slot >= 0; slot = current.next(slot + 1)) {
    reported.copyKey(current, slot);
    const known = reported.find();
    const isRecent = isRecentlyActive(current, slot, now, period);
    const isNews =
      known < 0 ||
      isRecent !== isRecentlyActive(reported, known, before, period) ||
      (!isRecent && current.lastActive[slot]! > reported.lastActive[known]!);
    if (isNews) emit(current, slot, isRecent);
  }

  reported.retain((slot) => {
    current.copyKey(reported, slot);
    if (current.find() >= 0 || isGlowing(reported, slot, now, period)) return true;
    if (isRecentlyActive(reported, slot, before, period)) emit(reported, slot, false);
    return false;
  });
  reported.trim();

  for (let slot = current.next(0); slot >= 0; slot = current.next(slot + 1)) {
    reported.copyKey(current, slot);
    const known = reported.put();
    if (known < 0) continue;
    reported.lastActive[known] = current.lastActive[slot]!;
    reported.flags[known] = current.flags[slot]!;
  }
}

function isRecentlyActive(table: Table, slot: number, time: number, period: number): boolean {
  return isActive(table, slot) || isGlowing(table, slot, time, period);
}

/** Whether `time` is less than the period after the last activity; what is newer than `time` is as of `time`. */
function isGlowing(table: Table, slot: number, time: number, period: number): boolean {
  return Math.max(time - table.lastActive[slot]!, 0) < period;
}

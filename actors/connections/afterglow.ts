import { isActive } from './activity.js';
import { ACTIVE, OCCUPIED, type Table } from './table.js';

/** A bit of a slot's flags: what `delta` did not admit. */
export const WITHHELD = 4;

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

/** What else decides about an entry; by default nothing does. */
export interface Rules {
  /** Whether the entry counts as closed from now on, active or not, and is then forgotten. */
  readonly isOver?: (table: Table, slot: number) => boolean;
  /** Whether there is room to report the entry as active. Asked once for each that is to be. */
  readonly admits?: (table: Table, slot: number) => boolean;
}

/**
 * Reports what differs between what was `reported` and what is `current`, and brings `reported` up to date.
 *
 * Something is recently active at t when it is active or was so less than a period before t. Thus what closes and
 * opens again within the period is not reported a second time, and what closes is told once the period is over. So
 * `reported` keeps what is still within the period although it is current no more. Without a period all this
 * comes down to what is active.
 *
 * What is not admitted counts as not seen: it is not reported, and is marked WITHHELD in `current`.
 */
export function delta(
  reported: Table,
  current: Table,
  { now, before, period }: Moment,
  emit: Emit,
  { isOver = no, admits = yes }: Rules = {},
): void {
  reported.retain((slot) => {
    current.copyKey(reported, slot);
    if (current.find() >= 0) return true;
    if (isGlowing(reported, slot, now, period) && !isOver(reported, slot)) return true;
    if (isRecentlyActive(reported, slot, before, period)) emit(reported, slot, false);
    return false;
  });
  reported.trim();

  for (let slot = current.next(0); slot >= 0; slot = current.next(slot + 1)) {
    reported.copyKey(current, slot);
    let known = reported.find();
    const over = isOver(current, slot);
    const isRecent = !over && isRecentlyActive(current, slot, now, period);
    const wasRecent = known >= 0 && isRecentlyActive(reported, known, before, period);
    if (isRecent && !wasRecent && !admits(current, slot)) {
      current.flags[slot]! |= WITHHELD;
      continue;
    }
    const isNews =
      known < 0 ||
      isRecent !== wasRecent ||
      (!isRecent && current.lastActive[slot]! > reported.lastActive[known]!);
    if (isNews) emit(current, slot, isRecent);

    if (over) {
      if (known >= 0) reported.remove(known);
      continue;
    }
    known = known < 0 ? reported.put() : known;
    if (known < 0) continue;
    reported.lastActive[known] = current.lastActive[slot]!;
    reported.flags[known] = current.flags[slot]! & (OCCUPIED | ACTIVE);
  }
}

const no = (): boolean => false;
const yes = (): boolean => true;

function isRecentlyActive(table: Table, slot: number, time: number, period: number): boolean {
  return isActive(table, slot) || isGlowing(table, slot, time, period);
}

/** Whether `time` is less than the period after the last activity; what is newer than `time` is as of `time`. */
function isGlowing(table: Table, slot: number, time: number, period: number): boolean {
  return Math.max(time - table.lastActive[slot]!, 0) < period;
}

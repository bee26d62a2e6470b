import { ACTIVE, type SlotTable } from './table.js';

/**
 * The effect of facts on the entry of one socket: **the newest fact stands**. A scan sees sockets open and close while
 * it runs, and a record can be late by the time it takes to write it; with their times, the order of reading does not
 * matter. All times of one table are of one clock.
 */

export function isActive(table: Pick<SlotTable, 'flags'>, slot: number): boolean {
  return (table.flags[slot]! & ACTIVE) !== 0;
}

/** Records that the socket at `slot` was active (or ended) at `time`. Returns false if a newer observation exists. */
export function observe(table: SlotTable, slot: number, time: number, active: boolean): boolean {
  if (time <= table.lastActive[slot]!) return false;
  table.lastActive[slot] = time;
  setActive(table, slot, active);
  return true;
}

/** The bit of an active entry's `flags`: the kernel side owns the socket, and its end will be a record. */
export const OWNED = 2;

/** The bit of an entry's `flags`: a scan made its newest observation. For people only: no report depends on it. */
const SCANNED = 4;

export function isScanned(table: Pick<SlotTable, 'flags'>, slot: number): boolean {
  return (table.flags[slot]! & SCANNED) !== 0;
}

/** `flags` with the kind of the entry's newest observation. */
export function withScanned(flags: number, scanned: boolean): number {
  return scanned ? flags | SCANNED : flags & ~SCANNED;
}

/** Marks an active entry's socket as owned by the kernel side. A scan without this knowledge changes nothing. */
export function setOwned(table: SlotTable, slot: number): void {
  table.flags[slot] = table.flags[slot]! | OWNED;
}

/**
 * Ends a scan begun at `time`, with all its sockets observed at that time: entries missing from it end, unless
 * something newer stands against it, or their end will be a record. The end's time is unknown: `lastActive` stays.
 * @param afterLoss the records of ends may be lost: entries of owned sockets end as others do
 */
export function expire(table: SlotTable, time: number, afterLoss = false): void {
  const spared = afterLoss ? 0 : OWNED;
  for (let slot = 0; slot < table.size; slot++) {
    if (table.lastActive[slot]! < time && (table.flags[slot]! & spared) === 0) setActive(table, slot, false);
  }
}

function setActive(table: SlotTable, slot: number, active: boolean): void {
  const flags = table.flags[slot]!;
  table.flags[slot] = active ? flags | ACTIVE : flags & ~(ACTIVE | OWNED);
}

import { ACTIVE, type SlotTable } from './table.js';

/**
 * What facts do to the entry of one socket: **the newest one stands**. A scan sees sockets that
 * open and close while it runs, and a record can be late by the time that it took to be written; with their times the
 * order in which they are read does not matter. All times of one table are of one clock.
 */

export function isActive(table: Pick<SlotTable, 'flags'>, slot: number): boolean {
  return (table.flags[slot]! & ACTIVE) !== 0;
}

/** The socket at `slot` was found active, or its end was, at `time`. Says whether that is the newest known of it. */
export function observe(table: SlotTable, slot: number, time: number, active: boolean): boolean {
  if (time <= table.lastActive[slot]!) return false;
  table.lastActive[slot] = time;
  setActive(table, slot, active);
  return true;
}

/** The bit of an active entry's `flags`: the kernel side owns the socket, and its end will be a record. */
export const OWNED = 2;

/** Notes of an active entry that the kernel side owns the socket. A scan that does not know that changes nothing. */
export function setOwned(table: SlotTable, slot: number): void {
  table.flags[slot] = table.flags[slot]! | OWNED;
}

/**
 * Ends a scan that began at `time` and whose sockets were all observed at that time: an entry it did not list ends,
 * unless something newer says otherwise, or its end will be a record. When it ended is not known: `lastActive` stays.
 * @param afterLoss that record may be lost: entries of owned sockets end as others do
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

import { isActive } from './activity.js';
import { REPORTED_BEFORE, type Rules } from './afterglow.js';
import { isOutdated, type NetworkLists, type TurnedDirections } from './normalize.js';
import type { RateLimit } from './rate-limit.js';
import { containerAt, Endpoint, Link, type OwnerWords } from './rows.js';
import type { SlotTable } from './table.js';

/** Limits new connections, and ends those in an outdated form. */
export function linkRules(limit: RateLimit, lists: NetworkLists, turned: TurnedDirections): Rules {
  return {
    ...((turned.ingress || turned.egress) && {
      isOver: (links, slot) => isOutdated(links, slot, lists, turned),
    }),
    admits: (links, slot) => admits(limit, links, slot, Link),
  };
}

/** Limits new endpoints. Without an afterglow, a port open for a moment is only reported as closed: it counts too. */
export function endpointRules(limit: RateLimit): Rules {
  return {
    admits: (endpoints, slot) => admits(limit, endpoints, slot, Endpoint),
    limitsClosed: true,
  };
}

/** Whether the entry at `slot` may be reported in this tick. A fresh audience gets all known entries at once. */
function admits(limit: RateLimit, table: SlotTable, slot: number, owner: OwnerWords): boolean {
  if ((table.flags[slot]! & REPORTED_BEFORE) !== 0) return true;
  return limit.admits(containerAt(table, slot, owner), isActive(table, slot));
}

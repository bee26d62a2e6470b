import { SocketRole } from '../capture/layout.js';
import { isPrivate } from './address.js';
import { Flow, familyOf, flowRole } from './rows.js';
import type { SlotTable } from './table.js';

/** What connections are told apart by. */
export interface PeerKind {
  /** `in`: the peer connected to a container. */
  readonly direction: 'in' | 'out';
  readonly peer: 'private' | 'public';
}

/** Where each kind stands in the counts. */
export const peerKinds: readonly PeerKind[] = [
  { direction: 'in', peer: 'private' },
  { direction: 'in', peer: 'public' },
  { direction: 'out', peer: 'private' },
  { direction: 'out', peer: 'public' },
];

/** How many connections of each kind there are, kept up to date as they come and go, so that nobody has to count. */
export class PeerCounts {
  /** By kind: connections that were there at any time since the report before, as of the latest one. */
  readonly known = new Float64Array(peerKinds.length);
  /** By kind: connections that came, ever. */
  readonly created = new Float64Array(peerKinds.length);
  /** Connections that went, ever. */
  removed = 0;
  readonly #present = new Float64Array(peerKinds.length);
  readonly #gone = new Float64Array(peerKinds.length);

  /** The flow at `slot` has come, and its role is known. */
  add(flows: SlotTable, slot: number): void {
    const kind = peerKindOf(flows, slot);
    this.created[kind]!++;
    this.#present[kind]!++;
  }

  /** The flow at `slot` goes. */
  remove(flows: SlotTable, slot: number): void {
    this.removed++;
    this.#gone[peerKindOf(flows, slot)]!++;
  }

  /** The flow at `slot` is about to get another role, or has just got it. */
  move(flows: SlotTable, slot: number, by: 1 | -1): void {
    this.#present[peerKindOf(flows, slot)]! += by;
  }

  /** A report has been made, and what is closed has gone. */
  endInterval(): void {
    for (let kind = 0; kind < peerKinds.length; kind++) {
      this.known[kind] = this.#present[kind]!;
      this.#present[kind]! -= this.#gone[kind]!;
      this.#gone[kind] = 0;
    }
  }
}

function peerKindOf(flows: SlotTable, slot: number): number {
  const rows = flows.page(slot);
  const row = flows.row(slot);
  const isServer = flowRole(flows.flags[slot]!) === SocketRole.server;
  const isPublic = !isPrivate(rows, row + Flow.remote, familyOf(rows[row + Flow.tag]!));
  return (isServer ? 0 : 2) + (isPublic ? 1 : 0);
}

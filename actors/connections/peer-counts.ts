import { SocketRole } from '../capture/layout.js';
import { isPrivate } from './address.js';
import { Flow, familyOf, flowRole } from './rows.js';
import type { SlotTable } from './table.js';

/** A kind of connection in the counts. */
export interface PeerKind {
  /** `in`: the peer opened the connection. */
  readonly direction: 'in' | 'out';
  readonly peer: 'private' | 'public';
}

/** All kinds, in the order of the counts. */
export const peerKinds: readonly PeerKind[] = [
  { direction: 'in', peer: 'private' },
  { direction: 'in', peer: 'public' },
  { direction: 'out', peer: 'private' },
  { direction: 'out', peer: 'public' },
];

/** Connections by kind, counted as they come and go, so no reader has to count. */
export class PeerCounts {
  /** By kind: connections present at any time between the two latest reports. */
  readonly known = new Float64Array(peerKinds.length);
  /** By kind: connections added, ever. */
  readonly created = new Float64Array(peerKinds.length);
  /** Connections removed, ever. */
  removed = 0;
  readonly #present = new Float64Array(peerKinds.length);
  readonly #gone = new Float64Array(peerKinds.length);

  /** Counts the flow at `slot`, new and with a known role. */
  add(flows: SlotTable, slot: number): void {
    const kind = peerKindOf(flows, slot);
    this.created[kind]!++;
    this.#present[kind]!++;
  }

  /** Counts the flow at `slot` as gone. */
  remove(flows: SlotTable, slot: number): void {
    this.removed++;
    this.#gone[peerKindOf(flows, slot)]!++;
  }

  /** Counts a flow with a changing role: -1 before the change, 1 after it. */
  move(flows: SlotTable, slot: number, by: 1 | -1): void {
    this.#present[peerKindOf(flows, slot)]! += by;
  }

  /** Starts a new interval after a report; gone connections no longer count. */
  endInterval(): void {
    for (let kind = 0; kind < peerKinds.length; kind++) {
      this.known[kind] = this.#present[kind]!;
      this.#present[kind]! -= this.#gone[kind]!;
      this.#gone[kind] = 0;
    }
  }
}

function peerKindOf(flows: SlotTable, slot: number): number {
  const isServer = flowRole(flows.flags[slot]!) === SocketRole.server;
  const isPublic = !isPrivate(
    flows.page(slot),
    flows.at(slot, Flow.remote),
    familyOf(flows.get(slot, Flow.tag)),
  );
  return (isServer ? 0 : 2) + (isPublic ? 1 : 0);
}

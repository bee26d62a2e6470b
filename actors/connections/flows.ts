import { RecordFlag, SocketRole, socket_record } from '../capture/layout.js';
import { socketParts, type Records } from '../capture/records.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import type { Sharers } from '../shares/sharers.js';
import { expire, isActive, observe, setOwned, withScanned } from './activity.js';
import { isLoopback, readAddress, type Address, type Network } from './address.js';
import { isUnreported, merge } from './afterglow.js';
import type { Networks } from './networks.js';
import { normalize, type NetworkLists } from './normalize.js';
import { PeerCounts } from './peer-counts.js';
import type { LeftOutReason } from './record-filter.js';
import type { Roles } from './role.js';
import {
  Flow,
  Link,
  flowRole,
  flowWords,
  linkWords,
  recordFamily,
  withFlowRole,
  writeOwner,
} from './rows.js';
import { Slot, SlotTable } from './table.js';

/**
 * Closed flows kept, at least, until a sweep. A storm of short connections then works on a table that stays in the
 * processor's first caches (4096 took a third more time a record, 64 no less), and an event read too late still finds
 * its flow.
 */
const CLOSED_KEPT = 512;

/** Entries of one sweep for closed flows. */
const SWEEP_ENTRIES = 4_096;
/** Part of the flows to close before the next sweep of a table without room. */
const SWEEP_AGAIN = 1 / 16;

/** Connections as the kernel sees them (flows), and as they are reported (links). */
export class Flows {
  readonly counts = new PeerCounts();
  /** Open flows, and flows closed since the last tick. */
  readonly table: SlotTable;
  /** The links of `table`: at this tick, beside their last report, with their afterglow. */
  readonly links: SlotTable;
  lists: NetworkLists;
  readonly #ignored: Networks;
  readonly #roles: Roles;
  /** Flows closed and not swept since, roughly. */
  #closed = 0;
  /** Flows from here on have been swept in this round. */
  #hand = 0;
  /** Hardly any closed flow is left to make room with, until the next tick or until many have closed. */
  #crowded = false;
  readonly #refusals = [new Refusals('connections'), new Refusals('reported connections')] as const;

  /** @param most flows at a time */
  constructor(
    ignored: Networks,
    lists: NetworkLists,
    roles: Roles,
    most: number,
    seed: number,
    sharers: Sharers,
  ) {
    this.#ignored = ignored;
    this.lists = lists;
    this.#roles = roles;
    const [flows, links] = this.#refusals;
    this.table = new SlotTable(Flow.KEY, Flow.WORDS - Flow.KEY, most, seed, 'observed', {
      container: Flow.container,
      refusals: flows,
      sharers,
      mayDrop: (slot) => this.#giveUp(slot),
    });
    // Open ones, and as many in their afterglow.
    this.links = new SlotTable(Link.WORDS, 0, 2 * most, seed, 'reported', {
      container: Link.container,
      refusals: links,
      sharers,
      mayDrop: (slot) => isUnreported(this.links, slot),
    });
  }

  /** Containers with refused connections, each once in a run and table. */
  takeRefusals(): Refusal[] {
    return this.#refusals.flatMap((refusals) => refusals.take());
  }

  /** The ignored network around an address, if there is one; valid until the next call. */
  ignoredNetwork({ family, words }: Address): Network | undefined {
    return this.#ignored.find(words, 0, family);
  }

  /** The known `SocketRole` of the connection in the record at `at`; unknown without such a flow. */
  roleOf(records: Records, at: number): number {
    const flows = this.table;
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.remote(records, at) >> 2, family, flows.key, Flow.remote);
    const slot = flows.find(this.#writeKey(records, at, family));
    return slot === Slot.none ? SocketRole.unknown : flowRole(flows.flags[slot]!);
  }

  /**
   * Observes the connection in the record at `at`. Stays one function, longer than V8 inlines (460 bytes of bytecode):
   * compiled by itself, it has the whole allowance for inlined callees. Cut into two, a record took 1.4 times as long.
   * @param active whether it is open; undefined: it was active then, and no record tells its end; an open one stays so
   * @param scanTime of the scan that listed it; undefined: the record is an event with a time of its own
   */
  observe(records: Records, at: number, active: boolean | undefined, scanTime?: number): void {
    const flows = this.table;
    const { key } = flows;
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.remote(records, at) >> 2, family, key, Flow.remote);
    if (isLoopback(key, Flow.remote, family) || this.#ignored.has(key, Flow.remote, family)) return;
    const words = this.#writeKey(records, at, family);
    if (flows.full && flows.find(words) === Slot.none) this.#makeRoom();
    const sizeBefore = flows.size;
    const slot = flows.put(words);
    if (slot === Slot.none) return;
    const wasOpen = isActive(flows, slot);
    const isOpen = active ?? wasOpen;
    // A number for sure: else V8 makes an object of each of them.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-conversion -- it needs to be told
    const time = scanTime === undefined ? records.time(at) : +scanTime;
    if (!observe(flows, slot, time, isOpen)) return;
    if (isOpen && !wasOpen) this.#noteOpener(records, at, slot);
    if (isOpen && (scanTime === undefined ? active === true : isOwned(records, at))) setOwned(flows, slot);
    // The role is no part of the key, so a record without a role still finds its flow.
    const flags = withScanned(flows.flags[slot]!, scanTime !== undefined);
    const knownRole = flowRole(flags);
    let role = records.u8[at + socket_record.role]!;
    if (role === SocketRole.unknown) role = knownRole;
    if (role === SocketRole.unknown) role = this.#roles.of(records, at);
    const isNew = flows.size > sizeBefore;
    const isMoved = !isNew && role !== knownRole;
    if (isMoved) this.counts.move(flows, slot, -1);
    flows.flags[slot] = withFlowRole(flags, role);
    if (isNew) this.counts.add(flows, slot);
    else if (isMoved) this.counts.move(flows, slot, 1);
    // A sweep costs as much as there are flows: half of them have to be closed.
    if (!isOpen && ++this.#closed > CLOSED_KEPT && this.#closed > flows.size / 2) this.#sweep();
  }

  /** The reason against the connection in the record at `at`, by its peer as in `observe`; undefined if it counts. */
  reasonAgainst(records: Records, at: number): LeftOutReason | undefined {
    const { key } = this.table;
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.remote(records, at) >> 2, family, key, Flow.remote);
    if (isLoopback(key, Flow.remote, family)) return 'on the loopback';
    return this.#ignored.has(key, Flow.remote, family) ? 'in an ignored network' : undefined;
  }

  /** Ends a complete scan: see `expire`. */
  expire(time: number, afterLoss: boolean | undefined): void {
    expire(this.table, time, afterLoss);
  }

  /**
   * Merges the flows in the slots `[from, to)` into the links: all of them, or only the closed ones. Closed flows are
   * dropped.
   */
  collect(from: number, to: number, all: boolean): void {
    const flows = this.table;
    flows.retain(
      (slot) => {
        const active = isActive(flows, slot);
        if (!active || all) this.#addLink(slot);
        if (!active) this.counts.remove(flows, slot);
        return active;
      },
      from,
      to,
    );
  }

  /** Ends a tick, with all flows collected. */
  endTick(): void {
    this.counts.endInterval();
    this.#closed = 0;
    this.#crowded = false;
  }

  /** Notes who opened the flow at `slot`, and when, for people. */
  #noteOpener(records: Records, at: number, slot: number): void {
    const flows = this.table;
    const page = flows.page(slot);
    const opened = (at + socket_record.opened) >> 2;
    const since = flows.at(slot, Flow.since);
    page[flows.at(slot, Flow.pid)] = records.pid(at);
    page[since] = records.u32[opened]!;
    page[since + 1] = records.u32[opened + 1]!;
  }

  /** Writes the record at `at` into the key, but for the remote address. @returns words to compare */
  #writeKey(records: Records, at: number, family: number): number {
    const { key } = this.table;
    readAddress(records.u32, socketParts.local(at) >> 2, family, key, Flow.local, Flow.localRest);
    key[Flow.ports] = records.u32[(at + socket_record.local_port) >> 2]!;
    writeOwner(records, at, key, Flow.container, Flow.tag);
    return flowWords(key[Flow.tag]!);
  }

  /** Sweeps closed flows early, so that a storm of short connections needs only as much room as its open ones. */
  #makeRoom(): void {
    const flows = this.table;
    if (this.#crowded && this.#closed < flows.size * SWEEP_AGAIN) return;
    const enough = Math.min(flows.size / 8, SWEEP_ENTRIES);
    let freed = 0;
    for (let left = flows.size; left > 0 && freed < enough; left -= SWEEP_ENTRIES) freed += this.#sweep();
    this.#crowded = freed < enough;
  }

  /** Drops the closed flows among the next entries, a bounded number. @returns flows dropped */
  #sweep(): number {
    const { size } = this.table;
    // After a round all flows closed before it are gone, whatever was counted.
    if (this.#hand <= 0) this.#closed = 0;
    const to = this.#hand <= 0 ? size : Math.min(this.#hand, size);
    this.#hand = Math.max(to - SWEEP_ENTRIES, 0);
    this.collect(this.#hand, to, false);
    const dropped = size - this.table.size;
    this.#closed = Math.max(this.#closed - dropped, 0);
    return dropped;
  }

  /** Merges a flow into the links in its last state, before it is dropped for want of room. */
  #giveUp(slot: number): boolean {
    this.#addLink(slot);
    this.counts.remove(this.table, slot);
    return true;
  }

  #addLink(slot: number): void {
    const flows = this.table;
    const { links } = this;
    normalize(flows, slot, this.lists, links.key);
    const link = links.put(linkWords(links.key[Link.tag]!));
    if (link !== Slot.none) merge(links, link, flows.lastActive[slot]!, isActive(flows, slot));
  }
}

/** Whether a scanned socket has an owner on the kernel side, so its end will be a record. */
function isOwned(records: Records, at: number): boolean {
  return (records.flags(at) & RecordFlag.owned) !== 0;
}

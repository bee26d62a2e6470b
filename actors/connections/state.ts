import { RecordFlag, RecordType, SocketRole, socket_record } from '../capture/layout.js';
import type { ConfigFact, ControlFact, ScanFact, StateSettings, TickFact } from '../capture/facts.js';
import { IPPROTO_UDP, TCP_LISTEN } from '../capture/linux.js';
import { outermostContainer } from '../capture/process-record.js';
import { socketParts, type Records } from '../capture/records.js';
import type { Sliced } from '../capture/slices.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import { Sharers } from '../shares/sharers.js';
import { expire, isActive, observe, setOwned } from './activity.js';
import { ADDRESS_WORDS, isLoopback, parseNetwork, readAddress } from './address.js';
import {
  delta,
  markUnreported,
  merge,
  REPORTED,
  REPORTED_BEFORE,
  type Emit,
  type ReportTimes,
  type Rules,
} from './afterglow.js';
import { PeerCounts } from './peer-counts.js';
import { ListeningSockets, type OriginatorOf } from './listening-sockets.js';
import { listConnections, type View } from './listing.js';
import { Networks } from './networks.js';
import { isOutdated, normalize, type NetworkLists, type TurnedDirections } from './normalize.js';
import { RateLimit, type Limited } from './rate-limit.js';
import {
  connectionReport,
  endpointReport,
  type ConnectionReport,
  type Delta,
  type EndpointReport,
} from './report.js';
import { Roles } from './role.js';
import {
  Endpoint,
  Flow,
  Link,
  containerOf,
  flowRole,
  flowWords,
  linkWords,
  recordFamily,
  withFlowRole,
  writeOwner,
} from './rows.js';
import { SlotTable } from './table.js';

const NS_PER_SECOND = 1e9;
const NS_PER_US = 1e3;

/** Of 150 bytes each, all tables together: 150 MB, and an eighth of that for the reserve. */
const MOST_FLOWS = 1_048_576;
const MOST_ENDPOINTS = 98_304;

/**
 * Closed flows that are kept, at least, until they are looked at. A storm of short connections then works on a table
 * that stays in the processor's first caches (4096 took a third more time a record, 64 no less), and an event that was
 * read too late still finds what it is about.
 */
const CLOSED_KEPT = 512;

/**
 * Entries that a slice of a tick works through: some 3 to 5 ms when the tables are far too large for the processor's
 * caches. What is reported costs several times as much as what is only looked at.
 */
const SLICE_ENTRIES = 8_192;
const REPORT_COST = 8;
/** Entries that are settled at once, and reports that a part of a tick's delta holds at least, but for the last one. */
const PART_ENTRIES = 1_024;

/** Entries that are looked at together to find closed flows. */
const SWEEP_ENTRIES = 4_096;
/** Part of the flows that has to have closed before a table without room is looked at once more. */
const SWEEP_AGAIN = 1 / 16;

/** The discard service (RFC 863): programs send to it to find out a route, or to wake a machine. */
const IGNORED_PORT = 9;

const NONE_TURNED: TurnedDirections = { ingress: false, egress: false };

/** How full the state is. */
export interface ConnectionCounts {
  /** Connections and listening sockets in the tables. */
  readonly connections: number;
  readonly listeners: number;
  /** Entries that a full table had no room for, ever. */
  readonly refused: number;
  /** New connections that a tick had no room for, ever; one that waits for several ticks counts at each. */
  readonly rateLimited: number;
  /** Those among them that had closed, so that they are lost. */
  readonly rateLost: number;
  /** The same of endpoints. */
  readonly endpointsRateLimited: number;
  readonly endpointsRateLost: number;
}

/** How full a table is: entries now, how many anybody may add, and those that it had no room for, ever. */
export interface TableCounts {
  readonly name: string;
  readonly entries: number;
  readonly capacity: number;
  readonly refused: number;
}

/**
 * The connections and endpoints of containers: a fold over the kernel's records, scans and ticks. The same facts
 * give the same deltas.
 *
 * Times are kept as the facts have them, CLOCK_BOOTTIME in ns, so that nothing closes or reopens when the wall clock is
 * set; only reports speak Unix time.
 */
export class ConnectionState {
  readonly #settings: StateSettings;
  readonly #ignored: Networks;
  #surroundings: NetworkLists;
  /** Since the last report. */
  #turned = NONE_TURNED;
  readonly #rateLimit: RateLimit;
  readonly #endpointLimit: RateLimit;
  #limited: Limited[] = [];
  readonly #roles: Roles;
  readonly #listeners: ListeningSockets;
  /** The connections there are, and those that closed since the last tick. */
  readonly #flows: SlotTable;
  /** What `#flows` is reported as: at this tick, beside what it was reported as, with its afterglow. */
  readonly #links: SlotTable;
  readonly #endpoints: SlotTable;
  readonly #census = new PeerCounts();
  readonly #sharers = new Sharers();
  /** Scratch: the local address of a listening socket. */
  readonly #listenAddress = new Uint32Array(ADDRESS_WORDS);
  /** Before the first one not 0, which V8 would keep as a whole number and, at the first time, compile everything anew. */
  #lastTick = -Infinity;
  /** When the latest scan began, and the latest one after a loss. */
  #lastScan = -Infinity;
  #lastLossScan = -Infinity;
  /** Flows that closed and were not swept since, more or less. */
  #closed = 0;
  /** Flows from here on have been swept since the last time round. */
  #hand = 0;
  /** Entries left of the slice that a tick is at. */
  #slice = 0;
  /** Hardly any closed flow is left to make room with, until the next tick or until many have closed. */
  #crowded = false;
  readonly #refusals = {
    flows: new Refusals('connections'),
    links: new Refusals('reported connections'),
    endpoints: new Refusals('reported endpoints'),
  };

  /**
   * @param originatorOf asked for listening sockets only, and not at all unless the settings want originators
   * @param seed 32 bits of the run's seed, against peers that choose addresses and ports which collide
   * @param mostFlows connections to keep at a time
   */
  constructor(settings: StateSettings, originatorOf: OriginatorOf, seed: number, mostFlows = MOST_FLOWS) {
    this.#settings = settings;
    this.#ignored = new Networks(settings.ignoredNetworks.map(parseNetwork));
    this.#surroundings = {
      nonAggregated: new Networks(settings.nonAggregatedNetworks.map(parseNetwork)),
      known: new Networks(),
      publicAddresses: new Networks(),
      ...reportedDirections(settings.externalIps),
    };
    const { scrapeInterval, maxConnectionsPerMinute } = settings;
    this.#rateLimit = new RateLimit('connections', scrapeInterval, maxConnectionsPerMinute);
    this.#endpointLimit = new RateLimit('endpoints', scrapeInterval, maxConnectionsPerMinute);
    this.#roles = new Roles(seed, this.#sharers);
    this.#listeners = new ListeningSockets(
      settings.originators ? originatorOf : () => 0,
      seed,
      this.#sharers,
    );
    const sharers = this.#sharers;
    const { flows, links, endpoints } = this.#refusals;
    this.#flows = new SlotTable(Flow.WORDS, 0, mostFlows, seed, 'observed', {
      container: Flow.container,
      refusals: flows,
      sharers,
      mayDrop: (slot) => this.#leaveOut(slot),
    });
    // Those there are, and as many that glow.
    this.#links = new SlotTable(Link.WORDS, 0, 2 * mostFlows, seed, 'reported', {
      container: Link.container,
      refusals: links,
      sharers,
      mayDrop: (slot) => isUnreported(this.#links, slot),
    });
    this.#endpoints = new SlotTable(Endpoint.WORDS, 0, 2 * MOST_ENDPOINTS, seed, 'reported', {
      container: Endpoint.container,
      refusals: endpoints,
      sharers,
      mayDrop: (slot) => isUnreported(this.#endpoints, slot),
    });
  }

  /** How many connections there are, by kind. */
  get peerCounts(): PeerCounts {
    return this.#census;
  }

  get counts(): ConnectionCounts {
    return {
      connections: this.#flows.size,
      listeners: this.#listeners.size,
      refused: this.tables.reduce((sum, { refused }) => sum + refused, 0),
      rateLimited: this.#rateLimit.withheld,
      rateLost: this.#rateLimit.lost,
      endpointsRateLimited: this.#endpointLimit.withheld,
      endpointsRateLost: this.#endpointLimit.lost,
    };
  }

  /** Memory of the tables of connections, used or not. */
  get bytes(): number {
    return this.#flows.bytes + this.#links.bytes;
  }

  get tables(): readonly TableCounts[] {
    return Object.entries({
      connections: this.#flows,
      reported_connections: this.#links,
      listeners: this.#listeners,
      reported_endpoints: this.#endpoints,
      listening_addresses: this.#roles,
    }).map(([name, { size, maximum, refused }]) => ({ name, entries: size, capacity: maximum, refused }));
  }

  /** Containers whose entries a table refused, each once in a run and table. */
  takeRefusals(): readonly Refusal[] {
    const { flows, links, endpoints } = this.#refusals;
    return [
      ...[flows, links, endpoints].flatMap((refusals) => refusals.take()),
      ...this.#listeners.takeRefusals(),
      ...this.#roles.takeRefusals(),
    ];
  }

  /** Listening sockets that ended and were dropped, ever. */
  get endedListeningSockets(): number {
    return this.#listeners.ended;
  }

  /** What there is now, for somebody who asks: see `listConnections`. */
  connections(view: View): Generator<string> {
    return listConnections(this.#flows, this.#surroundings, view);
  }

  /** The same of what is listened on. */
  endpoints(view: View): Generator<string> {
    return this.#listeners.list(view);
  }

  /** `SocketRole`, known by now, of the connection in the record at `at`; unknown if the state has no such connection. */
  flowRoleOf(records: Records, at: number): number {
    const flows = this.#flows;
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.remote(records, at) >> 2, family, flows.key, Flow.remote);
    const slot = flows.find(this.#writeFlow(records, at, family));
    return slot < 0 ? SocketRole.unknown : flowRole(flows.flags[slot]!);
  }

  /** Containers that the latest tick had no room for, each once in a run. */
  get limited(): readonly Limited[] {
    return this.#limited;
  }

  /**
   * Numbers of all processes that a report may still speak of. Run it to its end before any other fact is folded.
   * @param slice entries to work through before a pause
   */
  *usedOriginators(slice = SLICE_ENTRIES): Sliced<ReadonlySet<number>> {
    const used = new Set<number>();
    const listeners = this.#listeners;
    const endpoints = this.#endpoints;
    this.#slice = slice;
    yield* this.#inSlices(listeners.size, slice, (from, to) => listeners.addOriginators(used, from, to));
    yield* this.#inSlices(endpoints.size, slice, (from, to) => {
      for (let slot = from; slot < to; slot++)
        used.add(endpoints.page(slot)[endpoints.row(slot) + Endpoint.originator]!);
    });
    return used;
  }

  /** Folds the record at `at` of a batch. Those of processes tell whose share of a table a container takes. */
  record(records: Records, at: number): void {
    const type = records.type(at);
    const isDatagram = type === RecordType.datagram;
    if (!isDatagram && (type < RecordType.open || type > RecordType.unlisten)) {
      if (type === RecordType.served && this.#isInScope(records, at)) this.#listeners.served(records, at);
      else this.#noteSharer(records, at);
      return;
    }
    if (!this.#isInScope(records, at) || this.#isDropped(records, at)) return;
    if (isDatagram) {
      this.#observeFlow(records, at, undefined);
      return;
    }
    const time = records.time(at);
    if (type === RecordType.listen || type === RecordType.unlisten) {
      // A socket that listened before the latest scan, and still does, was listed by it, and that is newer.
      const active = type === RecordType.listen && time >= this.#lastScan;
      if (this.#isReachable(records, at)) this.#listeners.observe(records, at, time, active);
      return;
    }
    // The same of a connection whose end may be lost. Others are open until their end comes.
    this.#observeFlow(records, at, type === RecordType.open && time >= this.#lastLossScan);
    const isAccepted = records.u8[at + socket_record.role] === SocketRole.server;
    if (isAccepted && type === RecordType.open) this.#listeners.accepted(records, at);
  }

  /**
   * Folds a scan or a part of it. Once it is complete, it ends what it did not list and nothing newer speaks for, but
   * no connection whose end will be a record; after a loss, those too.
   */
  scan({ of, part, afterLoss, time, records }: ScanFact): void {
    if (of === 'processes')
      for (let at = 0; at < records.length; at += records.size(at)) this.#noteSharer(records, at);
    if (of !== 'sockets' || this.#settings.networkDisabled) return;
    // The listening ones first, since they tell the roles of the others.
    if (part === undefined || part === 'first') this.#roles.clear();
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (!isListening(records, at) || !this.#isInScope(records, at) || this.#isDropped(records, at))
        continue;
      this.#roles.listening(records, at);
      if (this.#isReachable(records, at)) this.#listeners.observeScanned(records, at, time);
    }
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (isListening(records, at) || !this.#isInScope(records, at) || this.#isDropped(records, at)) continue;
      this.#observeFlow(records, at, true, time);
    }
    if (part === 'first' || part === 'next') return;
    expire(this.#flows, time, afterLoss);
    this.#listeners.expire(time);
    this.#lastScan = time;
    if (afterLoss === true) this.#lastLossScan = time;
  }

  /** Takes over what Sensor knows; connections that are now told otherwise close and open at the next tick. */
  control({ publicAddresses, networks }: ControlFact): void {
    this.#surroundings = {
      ...this.#surroundings,
      ...(publicAddresses && { publicAddresses: new Networks(publicAddresses) }),
      ...(networks && { known: new Networks(networks) }),
    };
  }

  /** Takes over a runtime configuration; connections that it tells otherwise close and open at the next tick. */
  config({ externalIps, maxConnectionsPerMinute }: ConfigFact): void {
    const { externalIngress, externalEgress } = this.#surroundings;
    const told = reportedDirections(externalIps);
    this.#turned = {
      ingress: this.#turned.ingress || externalIngress !== told.externalIngress,
      egress: this.#turned.egress || externalEgress !== told.externalEgress,
    };
    this.#surroundings = { ...this.#surroundings, ...told };
    this.#rateLimit.setPerMinute(maxConnectionsPerMinute);
    this.#endpointLimit.setPerMinute(maxConnectionsPerMinute);
  }

  /**
   * What changed since the tick before, in parts, with pauses between: run it to its end before any other fact is
   * folded. A slice is bounded by the entries that it works through, which does not change what all parts together
   * say. What is closed is looked at once and then dropped; while nobody hears of it, it is kept as it would be
   * reported.
   * @param slice entries to work through before a pause
   * @yields a part of the delta, or a pause
   */
  *tick({ time, epoch, audience }: TickFact, slice = SLICE_ENTRIES): Generator<Delta | undefined, void> {
    this.#limited = [];
    this.#slice = slice;
    const flows = this.#flows;
    if (audience === 'fresh') {
      for (const table of [this.#links, this.#endpoints])
        yield* this.#inSlices(table.size, slice, (from, to) => {
          for (let slot = from; slot < to; slot++) markUnreported(table, slot);
        });
    }
    yield* this.#inSlices(flows.size, slice, (from, to) => this.#collectFlows(from, to, audience));
    this.#census.endInterval();
    this.#closed = 0;
    this.#crowded = false;
    if (audience === 'none') return;

    flows.trim();
    const moment = { now: time, before: this.#lastTick };
    const unixMicroseconds = (ns: number) => Math.floor(ns / NS_PER_US + epoch / NS_PER_US);
    const report =
      <T>(build: (slot: number, closedAt: number | undefined) => T, into: T[]): Emit =>
      (slot, closed) =>
        into.push(build(slot, closed === undefined ? undefined : unixMicroseconds(closed)));
    const connections: ConnectionReport[] = [];
    const endpoints: EndpointReport[] = [];
    const period = this.#settings.afterglowPeriod * NS_PER_SECOND;
    const link = report((slot, closedAt) => connectionReport(this.#links, slot, closedAt), connections);
    yield* this.#deltas(
      this.#links,
      { ...moment, period },
      link,
      slice,
      { connections, endpoints },
      this.#linkRules(),
    );
    this.#turned = NONE_TURNED;
    this.#limited = this.#rateLimit.endTick();

    const listeners = this.#listeners;
    yield* this.#inSlices(listeners.size, slice, (from, to) => listeners.collect(this.#endpoints, from, to));
    listeners.trim();
    const endpoint = report((slot, closedAt) => endpointReport(this.#endpoints, slot, closedAt), endpoints);
    const changes = { connections, endpoints };
    const atOnce = { ...moment, period: 0 };
    yield* this.#deltas(this.#endpoints, atOnce, endpoint, slice, changes, this.#endpointRules());
    this.#limited.push(...this.#endpointLimit.endTick());
    this.#lastTick = time;
    if (connections.length + endpoints.length > 0) yield { connections, endpoints };
  }

  /** Settles a whole table; hands out what `emit` has put into `changes` whenever it is enough for a part. */
  *#deltas(
    table: SlotTable,
    moment: ReportTimes,
    emit: Emit,
    slice: number,
    changes: Delta,
    rules?: Rules,
  ): Generator<Delta | undefined, void> {
    const { connections, endpoints } = changes;
    const count = () => connections.length + endpoints.length;
    let reported = count();
    const settle = (from: number, to: number) => {
      delta(table, moment, emit, rules, from, to);
      this.#slice -= (count() - reported) * REPORT_COST;
      reported = count();
    };
    for (let to = table.size; to > 0; to -= PART_ENTRIES) {
      const from = Math.max(to - PART_ENTRIES, 0);
      yield* this.#inSlices(to - from, slice, (low, high) => settle(from + low, from + high));
      if (count() < PART_ENTRIES) continue;
      yield { connections: connections.splice(0), endpoints: endpoints.splice(0) };
      // Whoever takes a part has as much to do with it as it took to make.
      yield;
      reported = 0;
    }
    table.trim();
  }

  /** Has `work` go through `[0, size)` in parts, from the last on, with a pause wherever a slice ends. */
  *#inSlices(
    size: number,
    slice: number,
    work: (from: number, to: number) => void,
  ): Generator<undefined, void> {
    for (let to = size; to > 0;) {
      const from = Math.max(to - this.#slice, 0);
      work(from, to);
      this.#slice -= to - from;
      to = from;
      if (this.#slice > 0) continue;
      yield;
      this.#slice = slice;
    }
  }

  /** Without an afterglow, a port that was listened on for a moment is only ever reported as closed: it counts too. */
  #endpointRules(): Rules {
    return {
      admits: (endpoints, slot) => {
        if ((endpoints.flags[slot]! & REPORTED_BEFORE) !== 0) return true;
        const rows = endpoints.page(slot);
        const row = endpoints.row(slot);
        const container = containerOf(rows[row + Endpoint.container]!, rows[row + Endpoint.tag]!);
        return this.#endpointLimit.admits(container, isActive(endpoints, slot));
      },
      limitsClosed: true,
    };
  }

  #linkRules(): Rules {
    const { ingress, egress } = this.#turned;
    return {
      ...((ingress || egress) && {
        isOver: (links, slot) => isOutdated(links, slot, this.#surroundings, this.#turned),
      }),
      // A fresh audience hears at once all that is known.
      admits: (links, slot) =>
        (links.flags[slot]! & REPORTED_BEFORE) !== 0 ||
        this.#rateLimit.admits(linkContainer(links, slot), isActive(links, slot)),
    };
  }

  #isInScope(records: Records, at: number): boolean {
    if (this.#settings.networkDisabled) return false;
    return this.#settings.scope === 'all' || records.container(at) !== 0;
  }

  /** Whether the record at `at` is of UDP and its server has port 0, where nothing arrives, or `IGNORED_PORT`. */
  #isDropped(records: Records, at: number): boolean {
    if (!isUdpSocket(records, at)) return false;
    const role = records.u8[at + socket_record.role]! || this.#roles.of(records, at);
    const isServer = isListening(records, at) || role === SocketRole.server;
    const port = records.u16[(at + (isServer ? socket_record.local_port : socket_record.remote_port)) >> 1]!;
    return port === 0 || (this.#settings.dropIgnored && port === IGNORED_PORT);
  }

  /** Whether a listening socket is to be reported: what listens on the loopback alone nobody reaches from outside. */
  #isReachable(records: Records, at: number): boolean {
    if (!this.#settings.endpoints) return false;
    const family = recordFamily(records, at);
    const local = this.#listenAddress;
    readAddress(records.u32, socketParts.local(at) >> 2, family, local, 0);
    return !isLoopback(local, 0, family);
  }

  /** Writes into the flows' key what the record at `at` says, but for the remote address. @returns words to compare */
  /** Notes whose shares a container takes, if the record at `at` is of a process. */
  #noteSharer(records: Records, at: number): void {
    const type = records.type(at);
    if (type === RecordType.exec || type === RecordType.process)
      this.#sharers.note(records.container(at), outermostContainer(records, at));
  }

  #writeFlow(records: Records, at: number, family: number): number {
    const { key } = this.#flows;
    readAddress(records.u32, socketParts.local(at) >> 2, family, key, Flow.local, Flow.localRest);
    key[Flow.ports] = records.u32[(at + socket_record.local_port) >> 2]!;
    writeOwner(records, at, key, Flow.container, Flow.tag);
    return flowWords(key[Flow.tag]!);
  }

  /**
   * @param active undefined: it was at that time, and nothing tells its end; what is known to be open stays so
   * @param found when a scan found it; an event has a time of its own
   */
  #observeFlow(records: Records, at: number, active: boolean | undefined, found?: number): void {
    const flows = this.#flows;
    const { key } = flows;
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.remote(records, at) >> 2, family, key, Flow.remote);
    if (isLoopback(key, Flow.remote, family) || this.#ignored.has(key, Flow.remote, family)) return;
    const words = this.#writeFlow(records, at, family);
    if (flows.full && flows.find(words) < 0) this.#makeRoom();
    const known = flows.size;
    const slot = flows.put(words);
    if (slot < 0) return;
    const isOpen = active ?? isActive(flows, slot);
    // A number for sure: else V8 makes an object of each of them.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-conversion -- it needs to be told
    const time = found === undefined ? records.time(at) : +found;
    if (!observe(flows, slot, time, isOpen)) return;
    if (isOpen && (found === undefined ? active === true : isOwned(records, at))) setOwned(flows, slot);
    // The role is no part of the key, so that a record that does not know it finds the entry all the same.
    const flags = flows.flags[slot]!;
    const role = records.u8[at + socket_record.role]! || flowRole(flags) || this.#roles.of(records, at);
    const isNew = flows.size > known;
    const isMoved = !isNew && role !== flowRole(flags);
    if (isMoved) this.#census.move(flows, slot, -1);
    flows.flags[slot] = withFlowRole(flags, role);
    if (isNew) this.#census.add(flows, slot);
    else if (isMoved) this.#census.move(flows, slot, 1);
    // Looking at them costs as much as there are: half of them have to go.
    if (!isOpen && ++this.#closed > CLOSED_KEPT && this.#closed > flows.size / 2) this.#sweep();
  }

  /** Looks at the closed flows early, so that a storm of short connections needs no more than the open ones do. */
  #makeRoom(): void {
    if (this.#crowded && this.#closed < this.#flows.size * SWEEP_AGAIN) return;
    const enough = Math.min(this.#flows.size / 8, SWEEP_ENTRIES);
    let freed = 0;
    for (let left = this.#flows.size; left > 0 && freed < enough; left -= SWEEP_ENTRIES)
      freed += this.#sweep();
    this.#crowded = freed < enough;
  }

  /** Looks at the closed ones of the next flows, so that it stops nobody for long. @returns how many there were */
  #sweep(): number {
    const { size } = this.#flows;
    // Once round, all that had closed by then have been looked at, whatever was counted.
    if (this.#hand <= 0) this.#closed = 0;
    const to = this.#hand <= 0 ? size : Math.min(this.#hand, size);
    this.#hand = Math.max(to - SWEEP_ENTRIES, 0);
    this.#collectFlows(this.#hand, to, 'none');
    const found = size - this.#flows.size;
    this.#closed = Math.max(this.#closed - found, 0);
    return found;
  }

  /** Merges the flows in the slots `[from, to)` into the links: the closed ones, which are dropped, or all. */
  #collectFlows(from: number, to: number, audience: TickFact['audience']): void {
    const flows = this.#flows;
    flows.retain(
      (slot) => {
        const active = isActive(flows, slot);
        if (!active || audience !== 'none') this.#addLink(slot);
        if (!active) this.#census.remove(flows, slot);
        return active;
      },
      from,
      to,
    );
  }

  /** Merges a flow that is dropped for want of room into the links, as it was last seen. */
  #leaveOut(slot: number): boolean {
    this.#addLink(slot);
    this.#census.remove(this.#flows, slot);
    return true;
  }

  #addLink(slot: number): void {
    const flows = this.#flows;
    const links = this.#links;
    normalize(flows, slot, this.#surroundings, links.key);
    const link = links.put(linkWords(links.key[Link.tag]!));
    if (link >= 0) merge(links, link, flows.lastActive[slot]!, isActive(flows, slot));
  }
}

/** Whether an entry can be dropped without a word: nobody was told of it. */
function isUnreported(table: SlotTable, slot: number): boolean {
  return (table.flags[slot]! & REPORTED) === 0;
}

function linkContainer(links: SlotTable, slot: number): number {
  const rows = links.page(slot);
  const row = links.row(slot);
  return containerOf(rows[row + Link.container]!, rows[row + Link.tag]!);
}

function reportedDirections(
  externalIps: StateSettings['externalIps'],
): Pick<NetworkLists, 'externalIngress' | 'externalEgress'> {
  return {
    externalIngress: externalIps === 'ingress' || externalIps === 'both',
    externalEgress: externalIps === 'egress' || externalIps === 'both',
  };
}

function isUdpSocket(records: Records, at: number): boolean {
  return records.u8[at + socket_record.protocol] === IPPROTO_UDP;
}

/** Whether a scan says that the kernel side will tell the end of the socket. */
function isOwned(records: Records, at: number): boolean {
  return (records.flags(at) & RecordFlag.owned) !== 0;
}

function isListening(records: Records, at: number): boolean {
  return records.u8[at + socket_record.state] === TCP_LISTEN;
}

import { RecordType, SocketRole, socket_record } from '../capture/layout.js';
import type { ConfigFact, ControlFact, ScanFact, StateSettings, TickFact } from '../capture/facts.js';
import { outermostContainer } from '../capture/process-record.js';
import type { Records } from '../capture/records.js';
import type { Sliced } from '../capture/slices.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import { Sharers } from '../shares/sharers.js';
import { parseNetwork, type Address, type Network } from './address.js';
import { isUnreported, markUnreported } from './afterglow.js';
import type { ConnectionCounts, SlotTableCounts } from './counts.js';
import { Flows } from './flows.js';
import { ListeningSockets, type OriginatorOf } from './listening-sockets.js';
import { copied, listConnections, type PAUSE, type View } from './listing.js';
import { Networks } from './networks.js';
import type { NetworkLists, TurnedDirections } from './normalize.js';
import type { PeerCounts } from './peer-counts.js';
import { RateLimit, type Limited } from './rate-limit.js';
import { isListening, isOfListening, RecordFilter, type LeftOutReason } from './record-filter.js';
import { endpointRules, linkRules } from './report-rules.js';
import {
  findConnection,
  type ConnectionQuery,
  type EndpointQuery,
  type ReportStatus,
} from './report-status.js';
import { Roles } from './role.js';
import { Endpoint, Flow } from './rows.js';
import { SlotTable } from './table.js';
import { Budget, DeltaBuilder, settleInParts, SLICE_ENTRIES, type DeltaParts } from './tick.js';

const NS_PER_SECOND = 1e9;

/** Of 165 bytes each, all tables together: 165 MB, and an eighth of that for the reserve. */
const MOST_FLOWS = 1_048_576;
const MOST_ENDPOINTS = 98_304;

const NONE_TURNED: TurnedDirections = { ingress: false, egress: false };

/**
 * The connections and endpoints of containers: a fold over the kernel's records, scans and ticks. The same facts
 * give the same deltas.
 *
 * Times stay in the clock of the facts, CLOCK_BOOTTIME in ns, so nothing closes or reopens when the wall clock is set;
 * only reports have Unix time.
 */
export class ConnectionState {
  readonly #settings: StateSettings;
  readonly #filter: RecordFilter;
  readonly #flows: Flows;
  readonly #roles: Roles;
  readonly #listeningSockets: ListeningSockets;
  readonly #endpoints: SlotTable;
  readonly #endpointRefusals = new Refusals('reported endpoints');
  readonly #sharers = new Sharers();
  readonly #rateLimit: RateLimit;
  readonly #endpointLimit: RateLimit;
  #limited: Limited[] = [];
  /** Since the last report. */
  #turned = NONE_TURNED;
  /** Starts at -Infinity: V8 would keep 0 as an integer, and compile everything anew at the first tick. */
  #lastTick = -Infinity;
  /** Starts of the latest scan, and of the latest scan after a loss. */
  #lastScan = -Infinity;
  #lastLossScan = -Infinity;

  /**
   * @param originatorOf asked for listening sockets only, and only if the settings want originators
   * @param seed 32 bits of the run's seed, against peers that choose colliding addresses and ports
   * @param mostFlows connections to keep at a time
   */
  constructor(settings: StateSettings, originatorOf: OriginatorOf, seed: number, mostFlows = MOST_FLOWS) {
    const sharers = this.#sharers;
    this.#settings = settings;
    this.#roles = new Roles(seed, sharers);
    this.#filter = new RecordFilter(settings, this.#roles);
    const ignored = new Networks(settings.ignoredNetworks.map(parseNetwork));
    const lists: NetworkLists = {
      nonAggregated: new Networks(settings.nonAggregatedNetworks.map(parseNetwork)),
      known: new Networks(),
      publicAddresses: new Networks(),
      ...externalDirections(settings.externalIps),
    };
    this.#flows = new Flows(ignored, lists, this.#roles, mostFlows, seed, sharers);
    this.#listeningSockets = new ListeningSockets(
      settings.originators ? originatorOf : () => 0,
      seed,
      sharers,
    );
    this.#endpoints = new SlotTable(Endpoint.WORDS, 0, 2 * MOST_ENDPOINTS, seed, 'reported', {
      container: Endpoint.container,
      refusals: this.#endpointRefusals,
      sharers,
      mayDrop: (slot) => isUnreported(this.#endpoints, slot),
    });
    const { scrapeInterval, maxConnectionsPerMinute } = settings;
    this.#rateLimit = new RateLimit('connections', scrapeInterval, maxConnectionsPerMinute);
    this.#endpointLimit = new RateLimit('endpoints', scrapeInterval, maxConnectionsPerMinute);
  }

  /** Connections by kind of peer. */
  get peerCounts(): PeerCounts {
    return this.#flows.counts;
  }

  get counts(): ConnectionCounts {
    return {
      connections: this.#flows.table.size,
      listeners: this.#listeningSockets.size,
      refused: this.tables.reduce((sum, { refused }) => sum + refused, 0),
      rateLimited: this.#rateLimit.withheld,
      rateLost: this.#rateLimit.lost,
      endpointsRateLimited: this.#endpointLimit.withheld,
      endpointsRateLost: this.#endpointLimit.lost,
    };
  }

  /** Memory of the tables of connections, used or not. */
  get bytes(): number {
    return this.#flows.table.bytes + this.#flows.links.bytes;
  }

  get tables(): readonly SlotTableCounts[] {
    return Object.entries({
      connections: this.#flows.table,
      reported_connections: this.#flows.links,
      listeners: this.#listeningSockets,
      reported_endpoints: this.#endpoints,
      listening_addresses: this.#roles,
    }).map(([name, { size, maximum, refused }]) => ({ name, entries: size, capacity: maximum, refused }));
  }

  /** Containers with entries refused by a table, each once in a run and table. */
  takeRefusals(): readonly Refusal[] {
    return [
      ...this.#flows.takeRefusals(),
      ...this.#endpointRefusals.take(),
      ...this.#listeningSockets.takeRefusals(),
      ...this.#roles.takeRefusals(),
    ];
  }

  /** Containers over the latest tick's limit, each once in a run. */
  get limited(): readonly Limited[] {
    return this.#limited;
  }

  /** All containers over the latest tick's limit. */
  get overLimit(): readonly Limited[] {
    return [...this.#rateLimit.over, ...this.#endpointLimit.over];
  }

  /** Listening sockets ended and dropped, ever. */
  get endedListeningSockets(): number {
    return this.#listeningSockets.ended;
  }

  /** The current connections as text: see `listConnections`. */
  connections(view: View): Generator<string> {
    return listConnections(this.#flows.table, this.#flows.lists, view);
  }

  /** The current listening sockets as text. */
  endpoints(view: View): Generator<string> {
    return this.#listeningSockets.list(view);
  }

  /** A copy of the current flows, made in pieces: see `copied`. @param container the only one; all without it */
  copyFlows(container?: number): ReturnType<typeof copied> {
    return copied(this.#flows.table, Flow.KEY, Flow, container);
  }

  /** The same of the listening sockets. */
  copyListeningSockets(container?: number): ReturnType<typeof copied> {
    return this.#listeningSockets.copy(container);
  }

  /** How far the newest connection matching a query has come. Pauses as a listing does. */
  *connectionStatus(query: ConnectionQuery): Generator<typeof PAUSE, ReportStatus> {
    const time = this.#lastTick;
    const period = this.#settings.afterglowPeriod * NS_PER_SECOND;
    const found = yield* findConnection(this.#flows, query, { time, period });
    return { ...found, limit: this.#rateLimit.latest(query.container), latest: time };
  }

  /** The same of an endpoint. */
  *endpointStatus(query: EndpointQuery): Generator<typeof PAUSE, ReportStatus> {
    const time = this.#lastTick;
    const found = yield* this.#listeningSockets.status(this.#endpoints, query, { time, period: 0 });
    return { ...found, limit: this.#endpointLimit.latest(query.container), latest: time };
  }

  /** The ignored network around a peer's address, if there is one; valid until the next call. */
  ignoredNetwork(address: Address): Network | undefined {
    return this.#flows.ignoredNetwork(address);
  }

  /** New connections of a container in the latest report, and the limit. */
  connectionLimit(container: number): ReportStatus['limit'] {
    return this.#rateLimit.latest(container);
  }

  /** The known `SocketRole` of the connection in the record at `at`; unknown without such a connection. */
  flowRoleOf(records: Records, at: number): number {
    return this.#flows.roleOf(records, at);
  }

  /**
   * Numbers of all processes a report may still name. Run it to its end before folding another fact.
   * @param slice entries to work through before a pause
   */
  *usedOriginators(slice = SLICE_ENTRIES): Sliced<ReadonlySet<number>> {
    const used = new Set<number>();
    const sockets = this.#listeningSockets;
    const endpoints = this.#endpoints;
    const budget = new Budget(slice);
    yield* budget.spread(sockets.size, (from, to) => sockets.addOriginators(used, from, to));
    yield* budget.spread(endpoints.size, (from, to) => {
      for (let slot = from; slot < to; slot++) used.add(endpoints.get(slot, Endpoint.originator));
    });
    return used;
  }

  /** Why the socket record at `at`, of an event or a scan, does not count; undefined if it does. Changes nothing. */
  reasonAgainst(records: Records, at: number): LeftOutReason | undefined {
    const reason = this.#filter.reasonAgainst(records, at);
    if (reason !== undefined) return reason;
    return isOfListening(records, at)
      ? this.#filter.reasonAgainstListening(records, at)
      : this.#flows.reasonAgainst(records, at);
  }

  /** Folds the record at `at` of a batch. Records of processes say whose share of a table a container takes. */
  record(records: Records, at: number): void {
    const type = records.type(at);
    switch (type) {
      case RecordType.open:
        if (this.#filter.admits(records, at)) this.#opened(records, at);
        return;
      case RecordType.close:
        if (this.#filter.admits(records, at)) this.#flows.observe(records, at, false);
        return;
      case RecordType.datagram:
        if (this.#filter.admits(records, at)) this.#flows.observe(records, at, undefined);
        return;
      case RecordType.listen:
      case RecordType.unlisten:
        if (this.#filter.admits(records, at)) this.#observeListening(records, at, type);
        return;
      case RecordType.served:
        if (this.#filter.isInScope(records, at)) this.#listeningSockets.served(records, at);
        return;
      case RecordType.exec:
      case RecordType.process:
        this.#noteSharer(records, at);
    }
  }

  /**
   * Folds a scan or a part of it. A complete scan ends everything it did not list, unless something newer stands
   * against it; connections with their end in a record only after a loss.
   */
  scan({ of, part, afterLoss, time, records }: ScanFact): void {
    if (of === 'processes') this.#scanProcesses(records);
    if (of !== 'sockets' || this.#settings.networkDisabled) return;
    if (part === undefined || part === 'first') this.#roles.clear();
    this.#scanSockets(records, time);
    if (part === 'first' || part === 'next') return;
    this.#flows.expire(time, afterLoss);
    this.#listeningSockets.expire(time);
    this.#lastScan = time;
    if (afterLoss === true) this.#lastLossScan = time;
  }

  /** Takes over networks from Sensor; connections reported differently by them close and open at the next tick. */
  control({ publicAddresses, networks }: ControlFact): void {
    this.#flows.lists = {
      ...this.#flows.lists,
      ...(publicAddresses && { publicAddresses: new Networks(publicAddresses) }),
      ...(networks && { known: new Networks(networks) }),
    };
  }

  /** Takes over a runtime configuration; connections reported differently by it close and open at the next tick. */
  config({ externalIps, maxConnectionsPerMinute }: ConfigFact): void {
    const { externalIngress, externalEgress } = this.#flows.lists;
    const directions = externalDirections(externalIps);
    this.#turned = {
      ingress: this.#turned.ingress || externalIngress !== directions.externalIngress,
      egress: this.#turned.egress || externalEgress !== directions.externalEgress,
    };
    this.#flows.lists = { ...this.#flows.lists, ...directions };
    this.#rateLimit.setPerMinute(maxConnectionsPerMinute);
    this.#endpointLimit.setPerMinute(maxConnectionsPerMinute);
  }

  /**
   * The changes since the previous tick, in parts with pauses between. Run it to its end before folding another fact.
   * A slice is bounded by the entries it works through, without effect on the sum of all parts. Closed connections are
   * merged once and then dropped; without an audience, their links wait for the next one.
   * @param slice entries to work through before a pause
   * @yields a part of the delta, or a pause
   */
  *tick({ time, epoch, audience }: TickFact, slice = SLICE_ENTRIES): DeltaParts {
    this.#limited = [];
    const budget = new Budget(slice);
    const flows = this.#flows;
    if (audience === 'fresh')
      for (const table of [flows.links, this.#endpoints])
        yield* budget.spread(table.size, (from, to) => {
          for (let slot = from; slot < to; slot++) markUnreported(table, slot);
        });
    yield* budget.spread(flows.table.size, (from, to) => flows.collect(from, to, audience !== 'none'));
    flows.endTick();
    if (audience === 'none') return;

    flows.table.trim();
    const delta = new DeltaBuilder(epoch);
    yield* this.#settleLinks(time, delta, budget);
    yield* this.#settleEndpoints(time, delta, budget);
    this.#lastTick = time;
    if (delta.size > 0) yield delta.take();
  }

  *#settleLinks(now: number, delta: DeltaBuilder, budget: Budget): DeltaParts {
    const { links } = this.#flows;
    const times = { now, before: this.#lastTick, period: this.#settings.afterglowPeriod * NS_PER_SECOND };
    const emit = (slot: number, closed: number | undefined) => delta.addConnection(links, slot, closed);
    const rules = linkRules(this.#rateLimit, this.#flows.lists, this.#turned);
    yield* settleInParts(links, times, emit, rules, delta, budget);
    this.#turned = NONE_TURNED;
    this.#limited = this.#rateLimit.endTick();
  }

  *#settleEndpoints(now: number, delta: DeltaBuilder, budget: Budget): DeltaParts {
    const sockets = this.#listeningSockets;
    const endpoints = this.#endpoints;
    yield* budget.spread(sockets.size, (from, to) => sockets.collect(endpoints, from, to));
    sockets.trim();
    const times = { now, before: this.#lastTick, period: 0 };
    const emit = (slot: number, closed: number | undefined) => delta.addEndpoint(endpoints, slot, closed);
    yield* settleInParts(endpoints, times, emit, endpointRules(this.#endpointLimit), delta, budget);
    this.#limited.push(...this.#endpointLimit.endTick());
  }

  #opened(records: Records, at: number): void {
    // A scan after a loss is newer, and lists connections still open: the record of an end may be lost.
    this.#flows.observe(records, at, records.time(at) >= this.#lastLossScan);
    if (records.u8[at + socket_record.role] === SocketRole.server)
      this.#listeningSockets.accepted(records, at);
  }

  #observeListening(records: Records, at: number, type: RecordType): void {
    if (!this.#filter.isReachable(records, at)) return;
    const time = records.time(at);
    // A socket listening since before the latest scan was listed by it if it still did, and the scan is newer.
    const active = type === RecordType.listen && time >= this.#lastScan;
    this.#listeningSockets.observe(records, at, time, active);
  }

  #scanProcesses(records: Records): void {
    for (let at = 0; at < records.length; at += records.size(at)) this.#noteSharer(records, at);
  }

  /** Takes the listening sockets first, since they tell the roles of the others. */
  #scanSockets(records: Records, time: number): void {
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (!isListening(records, at) || !this.#filter.admits(records, at)) continue;
      this.#roles.listening(records, at);
      if (this.#filter.isReachable(records, at)) this.#listeningSockets.observeScanned(records, at, time);
    }
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (isListening(records, at) || !this.#filter.admits(records, at)) continue;
      this.#flows.observe(records, at, true, time);
    }
  }

  /** Notes whose shares a container takes, if the record at `at` is of a process. */
  #noteSharer(records: Records, at: number): void {
    const type = records.type(at);
    if (type === RecordType.exec || type === RecordType.process)
      this.#sharers.note(records.container(at), outermostContainer(records, at));
  }
}

function externalDirections(
  externalIps: StateSettings['externalIps'],
): Pick<NetworkLists, 'externalIngress' | 'externalEgress'> {
  return {
    externalIngress: externalIps === 'ingress' || externalIps === 'both',
    externalEgress: externalIps === 'egress' || externalIps === 'both',
  };
}

import { RecordType, SocketRole, socket_record } from '../capture/layout.js';
import type { ConfigFact, ControlFact, ScanFact, StateSettings, TickFact } from '../capture/facts.js';
import { TCP_LISTEN } from '../capture/linux.js';
import type { Records } from '../capture/records.js';
import { expire, isActive, merge, observe } from './activity.js';
import { isLoopback, parseNetwork, readAddress } from './address.js';
import { delta, WITHHELD, type Emit, type Moment, type Rules } from './afterglow.js';
import { Census } from './census.js';
import { Listeners, type OriginatorOf } from './listeners.js';
import { listConnections, type View } from './listing.js';
import { Networks } from './networks.js';
import { isOutdated, normalize, type Surroundings, type Turned } from './normalize.js';
import { RateLimit, type Limited } from './rate-limit.js';
import { connectionReport, endpointReport, type Delta } from './report.js';
import { Roles } from './role.js';
import {
  Endpoint,
  Flow,
  Link,
  containerOf,
  flowRole,
  recordFamily,
  withFlowRole,
  writeOwner,
} from './rows.js';
import { Table } from './table.js';

const NS_PER_SECOND = 1e9;
const NS_PER_US = 1e3;

/** 3/4 of 2^19 slots of 53 bytes: 28 MB. */
const MOST_FLOWS = 393_216;
const MOST_ENDPOINTS = 98_304;

/**
 * Closed flows that are kept, at least, until they are looked at. A storm of short connections then works on a table
 * that stays in the processor's first caches (4096 took a third more time a record, 64 no less), and an event that was
 * read too late still finds what it is about.
 */
const CLOSED_KEPT = 512;

/** A bit of a link's flags: it was reported before, to somebody else. */
const RETOLD = 8;

const NONE_TURNED: Turned = { ingress: false, egress: false };

/** How full the state is. */
export interface Statistics {
  /** Connections and listening sockets in the tables. */
  readonly connections: number;
  readonly listeners: number;
  /** Entries that a full table had no room for, ever. */
  readonly refused: number;
  /** New connections that a tick had no room for, ever; one that waits for several ticks counts at each. */
  readonly rateLimited: number;
}

/** How full a table is: entries now, the most that it takes, and those that it had no room for, ever. */
export interface TableStatistics {
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
  #surroundings: Surroundings;
  /** Since the last report. */
  #turned = NONE_TURNED;
  readonly #rateLimit: RateLimit;
  #limited: Limited[] = [];
  readonly #roles: Roles;
  readonly #listeners: Listeners;
  /** The connections there are, and those that closed since the last tick. */
  readonly #flows: Table;
  /** What `#flows` is reported as: at this tick, and at the one before with its afterglow. */
  readonly #links: Table;
  readonly #reportedLinks: Table;
  readonly #endpoints: Table;
  readonly #reportedEndpoints: Table;
  readonly #census = new Census();
  #lastTick = 0;
  /** When the latest scan began. */
  #lastScan = -Infinity;
  /** Flows that closed since the closed ones were looked at last. */
  #closed = 0;
  /** Hardly any closed flow is left to make room with, until the next tick. */
  #crowded = false;

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
      ...toldDirections(settings.externalIps),
    };
    this.#rateLimit = new RateLimit(settings.scrapeInterval, settings.maxConnectionsPerMinute);
    this.#roles = new Roles(seed);
    this.#listeners = new Listeners(settings.originators ? originatorOf : () => 0, seed);
    this.#flows = new Table(Flow.WORDS, 0, mostFlows, seed);
    this.#links = new Table(Link.WORDS, 0, mostFlows, seed);
    this.#reportedLinks = new Table(Link.WORDS, 0, mostFlows, seed);
    this.#endpoints = new Table(Endpoint.WORDS, 0, MOST_ENDPOINTS, seed);
    this.#reportedEndpoints = new Table(Endpoint.WORDS, 0, MOST_ENDPOINTS, seed);
  }

  /** How many connections there are, by kind. */
  get census(): Census {
    return this.#census;
  }

  get statistics(): Statistics {
    return {
      connections: this.#flows.size,
      listeners: this.#listeners.size,
      refused: this.tables.reduce((sum, { refused }) => sum + refused, 0),
      rateLimited: this.#rateLimit.withheld,
    };
  }

  get tables(): readonly TableStatistics[] {
    return Object.entries({
      connections: this.#flows,
      current_connections: this.#links,
      reported_connections: this.#reportedLinks,
      listeners: this.#listeners,
      current_endpoints: this.#endpoints,
      reported_endpoints: this.#reportedEndpoints,
      listening_addresses: this.#roles,
    }).map(([name, { size, maximum, refused }]) => ({ name, entries: size, capacity: maximum, refused }));
  }

  /** Listening sockets that ended and were dropped, ever. */
  get unlistened(): number {
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

  /** Containers that the latest tick had no room for, each once in a run. */
  get limited(): readonly Limited[] {
    return this.#limited;
  }

  /** Folds the record at `at` of a batch; other records than those of sockets are none of its business. */
  record(records: Records, at: number): void {
    const type = records.type(at);
    if (type < RecordType.open || type > RecordType.unlisten || !this.#isInScope(records, at)) return;
    const time = records.time(at);
    // What opened before the latest scan and is still there was listed by it, and that is newer.
    const active = (type === RecordType.open || type === RecordType.listen) && time >= this.#lastScan;
    if (type === RecordType.listen || type === RecordType.unlisten) {
      this.#observeListener(records, at, time, active);
      return;
    }
    this.#observeFlow(records, at, time, active);
    const isAccepted = records.u8[at + socket_record.role] === SocketRole.server;
    if (isAccepted && type === RecordType.open) this.#listeners.accepted(records, at);
  }

  /** Folds a scan. It is the truth about sockets: what it does not list and nothing newer speaks for is closed. */
  scan({ of, time, records }: ScanFact): void {
    if (of !== 'sockets' || this.#settings.networkDisabled) return;
    // The listening ones first, since they tell the roles of the others.
    this.#roles.clear();
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (!isListening(records, at) || !this.#isInScope(records, at)) continue;
      this.#roles.listening(records, at);
      this.#observeListener(records, at, time, true);
    }
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (isListening(records, at) || !this.#isInScope(records, at)) continue;
      this.#observeFlow(records, at, time, true);
    }
    expire(this.#flows, time);
    this.#listeners.expire(time);
    this.#lastScan = time;
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
    const told = toldDirections(externalIps);
    this.#turned = {
      ingress: this.#turned.ingress || externalIngress !== told.externalIngress,
      egress: this.#turned.egress || externalEgress !== told.externalEgress,
    };
    this.#surroundings = { ...this.#surroundings, ...told };
    this.#rateLimit.setPerMinute(maxConnectionsPerMinute);
  }

  /**
   * What changed since the tick before. What is closed is looked at once and then dropped; while nobody hears of it, it
   * is kept as it would be reported.
   */
  tick({ time, epoch, audience }: TickFact): Delta {
    this.#limited = [];
    if (audience === 'none') {
      this.#collectClosedFlows();
      this.#census.endInterval();
      this.#crowded = false;
      return { connections: [], endpoints: [] };
    }
    if (audience === 'fresh') {
      forget(this.#reportedLinks, this.#links);
      forget(this.#reportedEndpoints, this.#endpoints);
    }
    const moment = { now: time, before: this.#lastTick };
    const unixMicroseconds = (ns: number) => Math.floor(ns / NS_PER_US + epoch / NS_PER_US);
    const report =
      <T>(build: (table: Table, slot: number, closedAt: number | undefined) => T, into: T[]): Emit =>
      (table, slot, active) =>
        into.push(build(table, slot, active ? undefined : unixMicroseconds(table.lastActive[slot]!)));
    const changes: Delta = { connections: [], endpoints: [] };

    this.#collectClosedFlows();
    this.#census.endInterval();
    this.#flows.trim();
    for (let slot = this.#flows.next(0); slot >= 0; slot = this.#flows.next(slot + 1)) this.#addLink(slot);
    const period = this.#settings.afterglowPeriod * NS_PER_SECOND;
    this.#report(
      this.#reportedLinks,
      this.#links,
      { ...moment, period },
      report(connectionReport, changes.connections),
      this.#linkRules(),
    );
    this.#turned = NONE_TURNED;
    this.#limited = this.#rateLimit.endTick();

    this.#listeners.collect(this.#endpoints);
    this.#report(
      this.#reportedEndpoints,
      this.#endpoints,
      { ...moment, period: 0 },
      report(endpointReport, changes.endpoints),
    );

    this.#lastTick = time;
    this.#crowded = false;
    return changes;
  }

  #report(reported: Table, current: Table, moment: Moment, emit: Emit, rules?: Rules): void {
    const withheld = this.#rateLimit.withheld;
    delta(reported, current, moment, emit, rules);
    if (this.#rateLimit.withheld === withheld) current.clear();
    else keepWithheld(current);
  }

  #linkRules(): Rules {
    const { ingress, egress } = this.#turned;
    return {
      ...((ingress || egress) && {
        isOver: (links, slot) => isOutdated(links, slot, this.#surroundings, this.#turned),
      }),
      // A fresh audience hears at once all that is known.
      admits: (links, slot) =>
        (links.flags[slot]! & RETOLD) !== 0 || this.#rateLimit.admits(linkContainer(links, slot)),
    };
  }

  #isInScope(records: Records, at: number): boolean {
    if (this.#settings.networkDisabled) return false;
    return this.#settings.scope === 'all' || records.container(at) !== 0;
  }

  #observeListener(records: Records, at: number, time: number, active: boolean): void {
    if (this.#settings.endpoints) this.#listeners.observe(records, at, time, active);
  }

  #observeFlow(records: Records, at: number, time: number, active: boolean): void {
    const flows = this.#flows;
    const { key } = flows;
    const family = recordFamily(records, at);
    readAddress(records.u32, (at + socket_record.remote_address) >> 2, family, key, Flow.remote);
    if (isLoopback(key, Flow.remote, family) || this.#ignored.has(key, Flow.remote, family)) return;
    readAddress(records.u32, (at + socket_record.local_address) >> 2, family, key, Flow.local);
    key[Flow.ports] = records.u32[(at + socket_record.local_port) >> 2]!;
    writeOwner(records, at, key, Flow.container, Flow.tag);

    if (flows.full && flows.find() < 0) this.#makeRoom();
    const known = flows.size;
    const slot = flows.put();
    if (slot < 0 || !observe(flows, slot, time, active)) return;
    // The role is no part of the key, so that a record that does not know it finds the entry all the same.
    const flags = flows.flags[slot]!;
    const role = records.u8[at + socket_record.role]! || flowRole(flags) || this.#roles.of(records, at);
    const isNew = flows.size > known;
    const isMoved = !isNew && role !== flowRole(flags);
    if (isMoved) this.#census.move(flows, slot, -1);
    flows.flags[slot] = withFlowRole(flags, role);
    if (isNew) this.#census.add(flows, slot);
    else if (isMoved) this.#census.move(flows, slot, 1);
    // Looking at all of them costs as much as the table is large: half of it has to go.
    if (!active && ++this.#closed > CLOSED_KEPT && this.#closed > flows.size / 2) this.#collectClosedFlows();
  }

  /** Looks at the closed flows early, so that a storm of short connections needs no more than the open ones do. */
  #makeRoom(): void {
    if (this.#crowded) return;
    const before = this.#flows.size;
    this.#collectClosedFlows();
    this.#crowded = before - this.#flows.size < before / 8;
  }

  #collectClosedFlows(): void {
    this.#closed = 0;
    this.#flows.retain((slot) => {
      if (isActive(this.#flows, slot)) return true;
      this.#addLink(slot);
      this.#census.remove(this.#flows, slot);
      return false;
    });
  }

  #addLink(slot: number): void {
    const flows = this.#flows;
    const links = this.#links;
    normalize(flows, slot, this.#surroundings, links.key);
    const link = links.put();
    if (link >= 0) merge(links, link, flows.lastActive[slot]!, isActive(flows, slot));
  }
}

/**
 * Makes what was `reported` news again, as closed when it was last seen to be active: it may have been told to nobody.
 * What is still there will say so itself.
 */
function forget(reported: Table, current: Table): void {
  for (let slot = reported.next(0); slot >= 0; slot = reported.next(slot + 1)) {
    current.copyKey(reported, slot);
    const known = current.put();
    if (known < 0) continue;
    merge(current, known, reported.lastActive[slot]!, false);
    current.flags[known]! |= RETOLD;
  }
  reported.clear();
}

/**
 * Leaves in `links` for the next tick what this one had no room for, if it is closed and so would not be looked at
 * again: then it is reported as far as there is room, and in any case when its afterglow is over.
 */
function keepWithheld(links: Table): void {
  links.retain((slot) => {
    if ((links.flags[slot]! & WITHHELD) === 0 || isActive(links, slot)) return false;
    links.flags[slot]! &= ~WITHHELD;
    return true;
  });
  links.trim();
}

function linkContainer({ rows }: Table, slot: number): number {
  const row = slot * Link.WORDS;
  return containerOf(rows[row + Link.container]!, rows[row + Link.tag]!);
}

function toldDirections(
  externalIps: StateSettings['externalIps'],
): Pick<Surroundings, 'externalIngress' | 'externalEgress'> {
  return {
    externalIngress: externalIps === 'ingress' || externalIps === 'both',
    externalEgress: externalIps === 'egress' || externalIps === 'both',
  };
}

function isListening(records: Records, at: number): boolean {
  return records.u8[at + socket_record.state] === TCP_LISTEN;
}

import { RecordFlag, socket_record } from '../capture/layout.js';
import { holderParts, socketParts, TWO_32, type Records } from '../capture/records.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import type { Sharers } from '../shares/sharers.js';
import { expire, isActive, observe, withScanned } from './activity.js';
import { readAddress } from './address.js';
import { merge } from './afterglow.js';
import { copied, listEndpoints, type View } from './listing.js';
import { findEndpoint, type EndpointQuery, type LatestReport } from './report-status.js';
import {
  Endpoint,
  ListeningSocket,
  Server,
  Unbound,
  containerAt,
  recordFamily,
  setU64At,
  u64At,
  writeOwner,
} from './rows.js';
import { Slot, SlotTable } from './table.js';

/**
 * The number of a process's identity in its container, equal for equal name, path and arguments; 0: unknown.
 * @param startTime of the process, CLOCK_BOOTTIME in ns; 0: not known
 * @param image number of its program, shared by forks; 0: not known
 */
export type OriginatorOf = (container: number, pid: number, startTime: number, image: number) => number;

/** The rank of a holder as originator; among equals the oldest process is the originator. */
enum Rank {
  /** Owns the socket, without a known descriptor. */
  owner = 0,
  holder = 1,
  /** Its program ended connections accepted there. */
  server = 2,
  /** Called listen(). */
  listener = 3,
}

const MOST_LISTENERS = 98_304;
const MOST_UNBOUND = 1_024;
const MOST_SERVERS = 4_096;
const MOST_GONE = 4_096;
/** Set in the upper word of `Server.who` when the lower one is a pid: no image is that large. */
const BY_PID = 0x8000_0000;

/**
 * The listening sockets. Each has an entry, by the kernel's cookie, for each container holding it. Several may share an
 * endpoint (SO_REUSEPORT, two addresses): merged for a report, the endpoint exists as long as one of them does. There
 * is no count to go wrong, and a lost or repeated record matters until the next scan only.
 *
 * A scan lists every process holding a socket. The originator is the best of them by `Rank`: the caller of listen(), as
 * long as it holds the socket. Another program serving the port has an entry beside the originator's.
 */
export class ListeningSockets {
  readonly #sockets: SlotTable;
  /**
   * Processes listening on an unknown port: listen() without bind() takes one only after the kernel announced the
   * socket. The accepted connection with the port names the process, not the listening socket.
   */
  readonly #unbound: SlotTable;
  /** Programs serving ports, by events since the previous scan. */
  readonly #servers: SlotTable;
  /** Cookies of sockets ended since the latest report; relevant only while some are shared. */
  readonly #gone: SlotTable;
  readonly #originatorOf: OriginatorOf;
  readonly #refusals = new Refusals('listening sockets');
  /** Entries of processes without a call of listen(), as of the latest scan: a socket's end names one entry only. */
  #shared = 0;
  /** Ended sockets dropped, ever. */
  ended = 0;

  constructor(originatorOf: OriginatorOf, seed: number, sharers: Sharers) {
    const refusals = this.#refusals;
    this.#sockets = new SlotTable(
      ListeningSocket.KEY,
      ListeningSocket.WORDS - ListeningSocket.KEY,
      MOST_LISTENERS,
      seed,
      'observed',
      {
        container: ListeningSocket.container,
        refusals,
        sharers,
      },
    );
    this.#unbound = new SlotTable(Unbound.KEY, Unbound.WORDS - Unbound.KEY, MOST_UNBOUND, seed, 'observed', {
      container: Unbound.container,
      refusals,
      sharers,
    });
    this.#servers = new SlotTable(Server.WORDS, 0, MOST_SERVERS, seed);
    this.#gone = new SlotTable(2, 0, MOST_GONE, seed);
    this.#originatorOf = originatorOf;
  }

  get size(): number {
    return this.#sockets.size;
  }

  get maximum(): number {
    return this.#sockets.maximum;
  }

  /** Containers with refused sockets, each once in a run. */
  takeRefusals(): Refusal[] {
    return this.#refusals.take();
  }

  get refused(): number {
    return this.#sockets.refused + this.#unbound.refused;
  }

  /** Adds the originator numbers of the sockets in the slots `[from, to)` to `used`. */
  addOriginators(used: Set<number>, from: number, to: number): void {
    const sockets = this.#sockets;
    for (let slot = from; slot < to; slot++) {
      used.add(sockets.get(slot, ListeningSocket.originator));
    }
  }

  /** Records that a process called listen() on the socket of the record at `at`, or that the socket ended. */
  observe(records: Records, at: number, time: number, active: boolean): void {
    const slot = this.#entry(records, at, 0);
    if (!active) this.#noteEnd(records, at, time);
    if (slot === Slot.none) return;
    const sockets = this.#sockets;
    const port = localPortOf(records, at);
    if (port !== 0) sockets.set(slot, ListeningSocket.port, port);
    else if (active && sockets.get(slot, ListeningSocket.port) === 0) this.#awaitPort(records, at);

    if (active && u64At(sockets, slot, ListeningSocket.since) === 0)
      setU64At(sockets, slot, ListeningSocket.since, time);

    if (!observe(sockets, slot, time, active)) return;
    sockets.flags[slot] = withScanned(sockets.flags[slot]!, false);
    // The process ending a socket may have ended itself by now: the originator is the caller of listen().
    if (active) this.#setHolder(records, at, slot, Rank.listener);
    else if (sockets.get(slot, ListeningSocket.originator) === 0)
      sockets.set(slot, ListeningSocket.originator, this.#originator(records, at));
  }

  /** Records a scan's entry for the socket of the record at `at` and one of its holders; the scan began at `time`. */
  observeScanned(records: Records, at: number, time: number): void {
    const rank = this.#rank(records, at, time);
    this.#observeHolder(records, at, time, rank, 0);
    if (rank !== Rank.server) return;
    const originator = this.#originator(records, at);
    if (originator !== 0) this.#observeHolder(records, at, time, rank, originator);
  }

  #observeHolder(records: Records, at: number, time: number, rank: Rank, served: number): void {
    const sockets = this.#sockets;
    const slot = this.#entry(records, at, served);
    if (slot === Slot.none) return;
    const port = localPortOf(records, at);
    if (port !== 0) sockets.set(slot, ListeningSocket.port, port);
    const isFirst = observe(sockets, slot, time, true);
    if (isFirst) sockets.flags[slot] = withScanned(sockets.flags[slot]!, true);
    // An observation newer than the scan stands.
    if (sockets.lastActive[slot] !== time) return;
    if (isFirst || this.#isBetter(records, at, slot, rank)) this.#setHolder(records, at, slot, rank);
  }

  /** Records that a program ended the connection of the record at `at`, accepted by a socket of another program. */
  served(records: Records, at: number): void {
    const servers = this.#servers;
    // The next connection of a forgotten program shows it again.
    if (servers.full) servers.clear();
    for (const byPid of [false, true]) {
      this.#writeServer(records, at, byPid);
      const slot = servers.put();
      if (slot !== Slot.none) observe(servers, slot, records.time(at), true);
    }
  }

  /**
   * Learns an unknown port from the accepted connection of the record at `at`. If its process listens on two ports, one
   * of them unknown, the guess can be wrong; then it repeats an existing endpoint, and the next scan corrects it.
   */
  accepted(records: Records, at: number): void {
    const unbound = this.#unbound;
    if (unbound.size === 0) return;
    unbound.key[Unbound.pid] = records.pid(at);
    writeOwner(records, at, unbound.key, Unbound.container, Unbound.tag);
    const slot = unbound.find();
    if (slot === Slot.none) return;

    const { key } = this.#sockets;
    key[ListeningSocket.cookie] = unbound.get(slot, Unbound.cookie);
    key[ListeningSocket.cookie + 1] = unbound.get(slot, Unbound.cookie + 1);
    writeOwner(records, at, key, ListeningSocket.container, ListeningSocket.tag);
    key[ListeningSocket.served] = 0;
    unbound.remove(slot);
    const socket = this.#sockets.find();
    if (socket !== Slot.none) this.#sockets.set(socket, ListeningSocket.port, localPortOf(records, at));
  }

  /** Ends the sockets missing from a scan begun at `time`: it has listed all. */
  expire(time: number): void {
    const sockets = this.#sockets;
    const servers = this.#servers;
    expire(sockets, time);
    this.#unbound.clear();
    servers.retain((slot) => servers.lastActive[slot]! >= time);
    this.#shared = 0;
    for (let slot = 0; slot < sockets.size; slot++) {
      if (sockets.get(slot, ListeningSocket.rank) < Rank.listener) this.#shared++;
    }
  }

  /** Merges the sockets in the slots `[from, to)` into `endpoints`, and drops closed ones; see `SlotTable.retain`. */
  collect(endpoints: SlotTable, from: number, to: number): void {
    const sockets = this.#sockets;
    sockets.retain(
      (slot) => {
        if (this.#gone.size > 0) this.#endShared(slot);
        const active = isActive(sockets, slot);
        if (this.#writeEndpoint(slot, endpoints.key)) {
          const endpoint = endpoints.put();
          if (endpoint !== Slot.none) merge(endpoints, endpoint, sockets.lastActive[slot]!, active);
        }
        if (!active) this.ended++;
        return active;
      },
      from,
      to,
    );
  }

  /** Ends a report, with all sockets collected. */
  trim(): void {
    this.#sockets.trim();
    this.#gone.clear();
  }

  /** The current listening sockets as text: see `listEndpoints`. */
  list(view: View): Generator<string> {
    return listEndpoints(this.#sockets, view);
  }

  /** A copy of the current ones, made in pieces: see `copied`. @param container the only one; all without it */
  copy(container?: number): ReturnType<typeof copied> {
    return copied(this.#sockets, ListeningSocket.KEY, ListeningSocket, container);
  }

  /** Finds the newest socket on a port, and its last report in `endpoints`: see `findEndpoint`. */
  status(endpoints: SlotTable, query: EndpointQuery, latest: LatestReport): ReturnType<typeof findEndpoint> {
    return findEndpoint(this.#sockets, endpoints, query, latest);
  }

  /** Writes the socket's endpoint into a key. Returns whether it can be reported: whether its port is known. */
  #writeEndpoint(slot: number, endpoint: Uint32Array): boolean {
    const sockets = this.#sockets;
    // A process's exec may be read after its listen, from another CPU's ring.
    if (sockets.get(slot, ListeningSocket.originator) === 0) {
      const originator = this.#originatorOf(
        containerAt(sockets, slot, ListeningSocket),
        sockets.get(slot, ListeningSocket.pid),
        u64At(sockets, slot, ListeningSocket.startTime),
        0,
      );
      sockets.set(slot, ListeningSocket.originator, originator);
    }
    endpoint[Endpoint.port] = sockets.get(slot, ListeningSocket.port);
    endpoint[Endpoint.originator] = sockets.get(slot, ListeningSocket.originator);
    endpoint[Endpoint.container] = sockets.get(slot, ListeningSocket.container);
    endpoint[Endpoint.tag] = sockets.get(slot, ListeningSocket.tag);
    return endpoint[Endpoint.port] !== 0;
  }

  /** The slot of the socket's entry in its container, added if missing; `Slot.none` if there is no room. */
  #entry(records: Records, at: number, served: number): number {
    const { key } = this.#sockets;
    writeCookie(records, at, key, ListeningSocket.cookie);
    writeOwner(records, at, key, ListeningSocket.container, ListeningSocket.tag);
    key[ListeningSocket.served] = served;
    key.fill(0, ListeningSocket.KEY);
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.local(at) >> 2, family, key, ListeningSocket.local);
    return this.#sockets.put();
  }

  #originator(records: Records, at: number): number {
    const [startTime, image] = [holderParts.startTime(records, at), holderParts.image(records, at)];
    return this.#originatorOf(records.container(at), records.pid(at), startTime, image);
  }

  #rank(records: Records, at: number, time: number): Rank {
    const serves = this.#serves(records, at, time);
    if ((records.flags(at) & RecordFlag.listener) !== 0) return Rank.listener;
    if (!holderParts.isThere(records, at)) return Rank.owner;
    return serves ? Rank.server : Rank.holder;
  }

  /** Whether the program in the record at `at` serves its port: seen once, it counts while scans find it there. */
  #serves(records: Records, at: number, time: number): boolean {
    const servers = this.#servers;
    if (servers.size === 0) return false;
    this.#writeServer(records, at, holderParts.image(records, at) === 0);
    const slot = servers.find();
    if (slot === Slot.none) return false;
    observe(servers, slot, time, true);
    return true;
  }

  /** Whether the holder in the record at `at` is a better originator than the one in the entry. */
  #isBetter(records: Records, at: number, slot: number, rank: Rank): boolean {
    const sockets = this.#sockets;
    const known = sockets.get(slot, ListeningSocket.rank);
    if (rank !== known) return rank > known;
    const knownStart = u64At(sockets, slot, ListeningSocket.startTime);
    const startTime = holderParts.startTime(records, at);
    if (startTime !== knownStart) return startTime < knownStart;
    return records.pid(at) < sockets.get(slot, ListeningSocket.pid);
  }

  #setHolder(records: Records, at: number, slot: number, rank: Rank): void {
    const sockets = this.#sockets;
    const pid = records.pid(at);
    const startTime = holderParts.startTime(records, at);
    const isSame =
      sockets.get(slot, ListeningSocket.pid) === pid &&
      u64At(sockets, slot, ListeningSocket.startTime) === startTime;
    const originator = this.#originator(records, at);
    // A process forgotten by now was known at its first observation.
    if (originator !== 0 || !isSame) sockets.set(slot, ListeningSocket.originator, originator);
    sockets.set(slot, ListeningSocket.pid, pid);
    sockets.set(slot, ListeningSocket.rank, rank);
    setU64At(sockets, slot, ListeningSocket.startTime, startTime);
  }

  #writeServer(records: Records, at: number, byPid: boolean): void {
    const { key } = this.#servers;
    const image = holderParts.image(records, at);
    key[Server.who] = byPid ? records.pid(at) : image % TWO_32;
    key[Server.who + 1] = byPid ? BY_PID : Math.floor(image / TWO_32);
    writeOwner(records, at, key, Server.container, Server.tag);
    key[Server.port] = localPortOf(records, at);
  }

  /** Remembers the end of a socket, since other containers or programs may have entries for it. */
  #noteEnd(records: Records, at: number, time: number): void {
    if (this.#shared === 0) return;
    const gone = this.#gone;
    writeCookie(records, at, gone.key, 0);
    const slot = gone.put();
    if (slot !== Slot.none) gone.lastActive[slot] = time;
  }

  /** Ends the entry at `slot` if its socket has ended by the record of another container or program. */
  #endShared(slot: number): void {
    const gone = this.#gone;
    const sockets = this.#sockets;
    gone.key[0] = sockets.get(slot, ListeningSocket.cookie);
    gone.key[1] = sockets.get(slot, ListeningSocket.cookie + 1);
    const end = gone.find();
    if (end !== Slot.none && observe(sockets, slot, gone.lastActive[end]!, false))
      sockets.flags[slot] = withScanned(sockets.flags[slot]!, false);
  }

  #awaitPort(records: Records, at: number): void {
    const { key } = this.#unbound;
    key[Unbound.pid] = records.pid(at);
    writeOwner(records, at, key, Unbound.container, Unbound.tag);
    writeCookie(records, at, key, Unbound.cookie);
    this.#unbound.put();
  }
}

function localPortOf(records: Records, at: number): number {
  return records.u16[(at + socket_record.local_port) >> 1]!;
}

/** Writes the cookie of the socket record at `at` into two words of a key. */
function writeCookie(records: Records, at: number, key: Uint32Array, word: number): void {
  const cookie = (at + socket_record.cookie) >> 2;
  key[word] = records.u32[cookie]!;
  key[word + 1] = records.u32[cookie + 1]!;
}

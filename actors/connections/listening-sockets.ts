import { RecordFlag, socket_record } from '../capture/layout.js';
import { holderParts, TWO_32, type Records } from '../capture/records.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import type { Sharers } from '../shares/sharers.js';
import { expire, isActive, observe } from './activity.js';
import { merge } from './afterglow.js';
import { listEndpoints, type View } from './listing.js';
import { Endpoint, ListeningSocket, Server, Unbound, containerOf, writeOwner } from './rows.js';
import { SlotTable } from './table.js';

/**
 * The number of a process's identity in its container, equal for equal name, path and arguments; 0: unknown.
 * @param startTime of the process, CLOCK_BOOTTIME in ns; 0: not known
 * @param image number of its program, which forks share; 0: not known
 */
export type OriginatorOf = (container: number, pid: number, startTime: number, image: number) => number;

/** How a process that holds a listening socket ranks as its originator; among equals the oldest one is. */
enum Rank {
  /** It owns the socket, and no descriptor of it was found. */
  owner = 0,
  holder = 1,
  /** Its program ended connections that were accepted there. */
  server = 2,
  /** It called listen(). */
  listener = 3,
}

const MOST_LISTENERS = 98_304;
const MOST_UNBOUND = 1_024;
const MOST_SERVERS = 4_096;
const MOST_GONE = 4_096;
/** Set in the upper word of `Server.who` when the lower one is a pid: no image is that large. */
const BY_PID = 0x8000_0000;

/**
 * The listening sockets. Each has an entry, by the kernel's cookie, for each container that holds it: several may
 * share an endpoint (SO_REUSEPORT, two addresses), and when they are merged for a report it is there as long as one
 * of them is. No count can go wrong, and neither a lost record nor a repeated one matters for longer than until the
 * next scan.
 *
 * A scan lists every process that holds a socket. The originator is the best of them by `Rank`: who called listen(), as
 * long as it holds the socket. A program other than the originator's that serves the port has an entry beside it.
 */
export class ListeningSockets {
  readonly #sockets: SlotTable;
  /**
   * Processes that listen on a port which is not known yet: listen() without bind() takes one only after the kernel
   * announced it. The accepted connection that shows the port does not name the listening socket, only its process.
   */
  readonly #unbound: SlotTable;
  /** Programs that serve ports, as far as events told since the scan before. */
  readonly #servers: SlotTable;
  /** Cookies of sockets that ended since the latest report; only those of `#shared` matter. */
  readonly #gone: SlotTable;
  readonly #originatorOf: OriginatorOf;
  readonly #refusals = new Refusals('listening sockets');
  /** Entries of processes that did not call listen(), as of the latest scan: the end of a socket tells of one entry alone. */
  #shared = 0;
  /** Sockets that were dropped since they had ended, ever. */
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

  /** Containers whose sockets were refused, each once in a run. */
  takeRefusals(): Refusal[] {
    return this.#refusals.take();
  }

  get refused(): number {
    return this.#sockets.refused + this.#unbound.refused;
  }

  /** Adds the numbers of the processes of the sockets in the slots `[from, to)` to `used`. */
  addOriginators(used: Set<number>, from: number, to: number): void {
    const sockets = this.#sockets;
    for (let slot = from; slot < to; slot++) {
      used.add(sockets.page(slot)[sockets.row(slot) + ListeningSocket.originator]!);
    }
  }

  /** A process called listen() on the socket of the record at `at`, or the socket ended. */
  observe(records: Records, at: number, time: number, active: boolean): void {
    const slot = this.#entry(records, at, 0);
    if (!active) this.#noteEnd(records, at, time);
    if (slot < 0) return;
    const rows = this.#sockets.page(slot);
    const row = this.#sockets.row(slot);
    const port = records.u16[(at + socket_record.local_port) >> 1]!;
    if (port !== 0) rows[row + ListeningSocket.port] = port;
    else if (active && rows[row + ListeningSocket.port] === 0) this.#awaitPort(records, at);

    if (!observe(this.#sockets, slot, time, active)) return;
    // Whoever ends a socket may have ended itself by now: the originator is who listened.
    if (active) this.#setHolder(records, at, slot, Rank.listener);
    else rows[row + ListeningSocket.originator] ||= this.#originator(records, at);
  }

  /** A scan that began at `time` has found the socket of the record at `at` with one of its holders. */
  observeScanned(records: Records, at: number, time: number): void {
    const rank = this.#rank(records, at, time);
    this.#find(records, at, time, rank, 0);
    if (rank !== Rank.server) return;
    const originator = this.#originator(records, at);
    if (originator !== 0) this.#find(records, at, time, rank, originator);
  }

  #find(records: Records, at: number, time: number, rank: Rank, served: number): void {
    const sockets = this.#sockets;
    const slot = this.#entry(records, at, served);
    if (slot < 0) return;
    const port = records.u16[(at + socket_record.local_port) >> 1]!;
    if (port !== 0) sockets.page(slot)[sockets.row(slot) + ListeningSocket.port] = port;
    const isFirst = observe(sockets, slot, time, true);
    // What is newer than the scan stands.
    if (sockets.lastActive[slot] !== time) return;
    if (isFirst || this.#isBetter(records, at, slot, rank)) this.#setHolder(records, at, slot, rank);
  }

  /** A process ended the connection of the record at `at`, which was accepted by a listening socket of another program. */
  served(records: Records, at: number): void {
    const servers = this.#servers;
    // What is forgotten is told again by the next connection.
    if (servers.full) servers.clear();
    for (const byPid of [false, true]) {
      this.#writeServer(records, at, byPid);
      const slot = servers.put();
      if (slot >= 0) observe(servers, slot, records.time(at), true);
    }
  }

  /**
   * The record at `at` is of an accepted connection. Should its process listen on two ports, one of them unknown, the
   * guess can be wrong; then it repeats an endpoint that is there anyhow, and the next scan puts it right.
   */
  accepted(records: Records, at: number): void {
    const unbound = this.#unbound;
    if (unbound.size === 0) return;
    unbound.key[Unbound.pid] = records.pid(at);
    writeOwner(records, at, unbound.key, Unbound.container, Unbound.tag);
    const slot = unbound.find();
    if (slot < 0) return;

    const { key } = this.#sockets;
    const cookie = unbound.row(slot) + Unbound.cookie;
    key[ListeningSocket.cookie] = unbound.page(slot)[cookie]!;
    key[ListeningSocket.cookie + 1] = unbound.page(slot)[cookie + 1]!;
    writeOwner(records, at, key, ListeningSocket.container, ListeningSocket.tag);
    key[ListeningSocket.served] = 0;
    unbound.remove(slot);
    const socket = this.#sockets.find();
    if (socket < 0) return;
    const port = records.u16[(at + socket_record.local_port) >> 1]!;
    this.#sockets.page(socket)[this.#sockets.row(socket) + ListeningSocket.port] = port;
  }

  /** A scan that began at `time` has listed all sockets. */
  expire(time: number): void {
    const sockets = this.#sockets;
    const servers = this.#servers;
    expire(sockets, time);
    this.#unbound.clear();
    servers.retain((slot) => servers.lastActive[slot]! >= time);
    this.#shared = 0;
    for (let slot = 0; slot < sockets.size; slot++) {
      if (sockets.page(slot)[sockets.row(slot) + ListeningSocket.rank]! < Rank.listener) this.#shared++;
    }
  }

  /** Merges the sockets in the slots `[from, to)` into `endpoints`, and drops the closed ones; see `Table.retain`. */
  collect(endpoints: SlotTable, from: number, to: number): void {
    const sockets = this.#sockets;
    sockets.retain(
      (slot) => {
        if (this.#gone.size > 0) this.#endShared(slot);
        const active = isActive(sockets, slot);
        if (this.#writeEndpoint(slot, endpoints.key)) {
          const endpoint = endpoints.put();
          if (endpoint >= 0) merge(endpoints, endpoint, sockets.lastActive[slot]!, active);
        }
        if (!active) this.ended++;
        return active;
      },
      from,
      to,
    );
  }

  /** Ends a report, for which all sockets were collected. */
  trim(): void {
    this.#sockets.trim();
    this.#gone.clear();
  }

  /** What is listened on now, as text: see `listEndpoints`. */
  list(view: View): Generator<string> {
    return listEndpoints(this.#sockets, view);
  }

  /** Says whether the socket can be reported: whether its port is known. */
  #writeEndpoint(slot: number, endpoint: Uint32Array): boolean {
    const rows = this.#sockets.page(slot);
    const row = this.#sockets.row(slot);
    const container = rows[row + ListeningSocket.container]!;
    const tag = rows[row + ListeningSocket.tag]!;
    // A process's exec may be read after its listen, from another CPU's ring.
    rows[row + ListeningSocket.originator] ||= this.#originatorOf(
      containerOf(container, tag),
      rows[row + ListeningSocket.pid]!,
      rows[row + ListeningSocket.startTime]! + rows[row + ListeningSocket.startTime + 1]! * TWO_32,
      0,
    );
    endpoint[Endpoint.port] = rows[row + ListeningSocket.port]!;
    endpoint[Endpoint.originator] = rows[row + ListeningSocket.originator]!;
    endpoint[Endpoint.container] = container;
    endpoint[Endpoint.tag] = tag;
    return endpoint[Endpoint.port] !== 0;
  }

  /** The slot of the socket's entry in its container, added if there is none; -1 if there is no room. */
  #entry(records: Records, at: number, served: number): number {
    const { key } = this.#sockets;
    const cookie = (at + socket_record.cookie) >> 2;
    key[ListeningSocket.cookie] = records.u32[cookie]!;
    key[ListeningSocket.cookie + 1] = records.u32[cookie + 1]!;
    writeOwner(records, at, key, ListeningSocket.container, ListeningSocket.tag);
    key[ListeningSocket.served] = served;
    key.fill(0, ListeningSocket.KEY);
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

  /** Whether the program in the record at `at` was seen to serve; it goes on as long as scans find it with the socket. */
  #serves(records: Records, at: number, time: number): boolean {
    const servers = this.#servers;
    if (servers.size === 0) return false;
    this.#writeServer(records, at, holderParts.image(records, at) === 0);
    const slot = servers.find();
    if (slot >= 0) observe(servers, slot, time, true);
    return slot >= 0;
  }

  /** Whether the holder in the record at `at` is more of an originator than the one in the entry. */
  #isBetter(records: Records, at: number, slot: number, rank: Rank): boolean {
    const rows = this.#sockets.page(slot);
    const row = this.#sockets.row(slot);
    const known = rows[row + ListeningSocket.rank]!;
    if (rank !== known) return rank > known;
    const started =
      rows[row + ListeningSocket.startTime]! + rows[row + ListeningSocket.startTime + 1]! * TWO_32;
    const startTime = holderParts.startTime(records, at);
    if (startTime !== started) return startTime < started;
    return records.pid(at) < rows[row + ListeningSocket.pid]!;
  }

  #setHolder(records: Records, at: number, slot: number, rank: Rank): void {
    const rows = this.#sockets.page(slot);
    const row = this.#sockets.row(slot);
    const pid = records.pid(at);
    const startTime = holderParts.startTime(records, at);
    const [low, high] = [startTime % TWO_32, Math.floor(startTime / TWO_32)];
    const isSame =
      rows[row + ListeningSocket.pid] === pid &&
      rows[row + ListeningSocket.startTime] === low &&
      rows[row + ListeningSocket.startTime + 1] === high;
    const originator = this.#originator(records, at);
    // Who is forgotten by now was known when it was found.
    if (originator !== 0 || !isSame) rows[row + ListeningSocket.originator] = originator;
    rows[row + ListeningSocket.pid] = pid;
    rows[row + ListeningSocket.rank] = rank;
    rows[row + ListeningSocket.startTime] = low;
    rows[row + ListeningSocket.startTime + 1] = high;
  }

  #writeServer(records: Records, at: number, byPid: boolean): void {
    const { key } = this.#servers;
    const image = holderParts.image(records, at);
    key[Server.who] = byPid ? records.pid(at) : image % TWO_32;
    key[Server.who + 1] = byPid ? BY_PID : Math.floor(image / TWO_32);
    writeOwner(records, at, key, Server.container, Server.tag);
    key[Server.port] = records.u16[(at + socket_record.local_port) >> 1]!;
  }

  /** Remembers the end of a socket that may have entries of other containers or programs. */
  #noteEnd(records: Records, at: number, time: number): void {
    if (this.#shared === 0) return;
    const gone = this.#gone;
    const cookie = (at + socket_record.cookie) >> 2;
    gone.key[0] = records.u32[cookie]!;
    gone.key[1] = records.u32[cookie + 1]!;
    const slot = gone.put();
    if (slot >= 0) gone.lastActive[slot] = time;
  }

  /** Ends the entry at `slot` if its socket has ended in that of another container or program. */
  #endShared(slot: number): void {
    const gone = this.#gone;
    const sockets = this.#sockets;
    const rows = sockets.page(slot);
    const row = sockets.row(slot);
    gone.key[0] = rows[row + ListeningSocket.cookie]!;
    gone.key[1] = rows[row + ListeningSocket.cookie + 1]!;
    const end = gone.find();
    if (end >= 0) observe(sockets, slot, gone.lastActive[end]!, false);
  }

  #awaitPort(records: Records, at: number): void {
    const { key } = this.#unbound;
    const cookie = (at + socket_record.cookie) >> 2;
    key[Unbound.pid] = records.pid(at);
    writeOwner(records, at, key, Unbound.container, Unbound.tag);
    key[Unbound.cookie] = records.u32[cookie]!;
    key[Unbound.cookie + 1] = records.u32[cookie + 1]!;
    this.#unbound.put();
  }
}

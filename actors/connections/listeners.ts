import { socket_record } from '../capture/layout.js';
import type { Records } from '../capture/records.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import { expire, isActive, observe } from './activity.js';
import { merge } from './afterglow.js';
import { listEndpoints, type View } from './listing.js';
import { Endpoint, Listener, Unbound, containerOf, writeOwner } from './rows.js';
import { Table } from './table.js';

/** The number of the process that runs as `pid` in a container, equal for equal name, path and arguments; 0: unknown. */
export type OriginatorOf = (container: number, pid: number) => number;

const MOST_LISTENERS = 98_304;
const MOST_UNBOUND = 1_024;

/**
 * The listening sockets. Each has its own entry, told apart by the kernel's cookie: several may share an endpoint
 * (SO_REUSEPORT, two addresses), and when they are merged for a report it is there as long as one of them is.
 * No count can go wrong, and neither a lost record nor a repeated one matters for longer than until the next scan.
 */
export class Listeners {
  readonly #sockets: Table;
  /**
   * Processes that listen on a port which is not known yet: listen() without bind() takes one only after the kernel
   * announced it. The accepted connection that shows the port does not name the listening socket, only its process.
   */
  readonly #unbound: Table;
  readonly #originatorOf: OriginatorOf;
  readonly #refusals = new Refusals('listening sockets');
  /** Sockets that were dropped since they had ended, ever. */
  ended = 0;

  constructor(originatorOf: OriginatorOf, seed: number) {
    const refusals = this.#refusals;
    this.#sockets = new Table(Listener.KEY, Listener.WORDS - Listener.KEY, MOST_LISTENERS, seed, 'observed', {
      container: Listener.container,
      refusals,
    });
    this.#unbound = new Table(Unbound.KEY, Unbound.WORDS - Unbound.KEY, MOST_UNBOUND, seed, 'observed', {
      container: Unbound.container,
      refusals,
    });
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
      used.add(sockets.page(slot)[sockets.row(slot) + Listener.originator]!);
    }
  }

  /** The socket of the record at `at` listened at `time`, or ended to. */
  observe(records: Records, at: number, time: number, active: boolean): void {
    const port = records.u16[(at + socket_record.local_port) >> 1]!;
    const pid = records.pid(at);
    const { key } = this.#sockets;
    this.#writeSocket(records, at);
    key[Listener.port] = 0;
    key[Listener.pid] = pid;
    key[Listener.originator] = 0;
    const slot = this.#sockets.put();
    if (slot < 0) return;

    const rows = this.#sockets.page(slot);
    const row = this.#sockets.row(slot);
    if (port !== 0) rows[row + Listener.port] = port;
    else if (active && rows[row + Listener.port] === 0) this.#awaitPort(records, at);

    if (!observe(this.#sockets, slot, time, active)) return;
    // Whoever ends a socket may have ended itself by now: the originator is who listened.
    if (!active && rows[row + Listener.originator] !== 0) return;
    const originator = this.#originatorOf(records.container(at), pid);
    if (originator !== 0) rows[row + Listener.originator] = originator;
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
    key[Listener.cookie] = unbound.page(slot)[cookie]!;
    key[Listener.cookie + 1] = unbound.page(slot)[cookie + 1]!;
    writeOwner(records, at, key, Listener.container, Listener.tag);
    unbound.remove(slot);
    const socket = this.#sockets.find();
    if (socket < 0) return;
    const port = records.u16[(at + socket_record.local_port) >> 1]!;
    this.#sockets.page(socket)[this.#sockets.row(socket) + Listener.port] = port;
  }

  /** A scan that began at `time` has listed all sockets. */
  expire(time: number): void {
    expire(this.#sockets, time);
    this.#unbound.clear();
  }

  /** Merges the sockets in the slots `[from, to)` into `endpoints`, and drops the closed ones; see `Table.retain`. */
  collect(endpoints: Table, from: number, to: number): void {
    const sockets = this.#sockets;
    sockets.retain(
      (slot) => {
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

  trim(): void {
    this.#sockets.trim();
  }

  /** What is listened on now, as text: see `listEndpoints`. */
  list(view: View): Generator<string> {
    return listEndpoints(this.#sockets, view);
  }

  /** Says whether the socket can be reported: whether its port is known. */
  #writeEndpoint(slot: number, endpoint: Uint32Array): boolean {
    const rows = this.#sockets.page(slot);
    const row = this.#sockets.row(slot);
    const container = rows[row + Listener.container]!;
    const tag = rows[row + Listener.tag]!;
    // A process's exec may be read after its listen, from another CPU's ring.
    rows[row + Listener.originator] ||= this.#originatorOf(
      containerOf(container, tag),
      rows[row + Listener.pid]!,
    );
    endpoint[Endpoint.port] = rows[row + Listener.port]!;
    endpoint[Endpoint.originator] = rows[row + Listener.originator]!;
    endpoint[Endpoint.container] = container;
    endpoint[Endpoint.tag] = tag;
    return endpoint[Endpoint.port] !== 0;
  }

  #writeSocket(records: Records, at: number): void {
    const { key } = this.#sockets;
    const cookie = (at + socket_record.cookie) >> 2;
    key[Listener.cookie] = records.u32[cookie]!;
    key[Listener.cookie + 1] = records.u32[cookie + 1]!;
    writeOwner(records, at, key, Listener.container, Listener.tag);
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

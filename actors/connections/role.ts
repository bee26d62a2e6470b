import { SocketRole, socket_record } from '../capture/layout.js';
import { socketParts, type Records } from '../capture/records.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import type { Sharers } from '../shares/sharers.js';
import { ADDRESS_WORDS, readAddress } from './address.js';
import { Bind, recordFamily, writeOwner } from './rows.js';
import { SlotTable } from './table.js';

const MOST_BINDS = 98_304;

/** Roles of sockets older than Collector, with an unseen connect or accept. */
export class Roles {
  /** Addresses containers listened on in the latest scan. */
  readonly #binds: SlotTable;
  readonly #refusals = new Refusals('listening addresses');

  constructor(seed: number, sharers: Sharers) {
    this.#binds = new SlotTable(Bind.WORDS, 0, MOST_BINDS, seed, 'observed', {
      container: Bind.container,
      refusals: this.#refusals,
      sharers,
    });
  }

  get size(): number {
    return this.#binds.size;
  }

  get maximum(): number {
    return this.#binds.maximum;
  }

  /** Containers with refused addresses, each once in a run. */
  takeRefusals(): Refusal[] {
    return this.#refusals.take();
  }

  get refused(): number {
    return this.#binds.refused;
  }

  /** Forgets all addresses: a new scan begins. */
  clear(): void {
    this.#binds.clear();
  }

  /** Adds the scanned listening socket of the record at `at`. */
  listening(records: Records, at: number): void {
    this.#write(records, at);
    this.#binds.put();
  }

  /**
   * The role of a connection's local side, for a record without one: server if its container listens on the local
   * port, at the local or at any address, else the role suggested by the ports. Network namespaces are unknown here,
   * and a port listened on in one container is often a client's port in another.
   */
  of(records: Records, at: number): number {
    this.#write(records, at);
    if (this.#binds.find() >= 0) return SocketRole.server;
    this.#binds.key.fill(0, Bind.local, Bind.local + ADDRESS_WORDS);
    if (this.#binds.find() >= 0) return SocketRole.server;
    return roleFromPorts(
      records.u16[(at + socket_record.local_port) >> 1]!,
      records.u16[(at + socket_record.remote_port) >> 1]!,
    );
  }

  #write(records: Records, at: number): void {
    const { key } = this.#binds;
    key[Bind.port] = records.u16[(at + socket_record.local_port) >> 1]!;
    writeOwner(records, at, key, Bind.container, Bind.tag);
    readAddress(records.u32, socketParts.local(at) >> 2, recordFamily(records, at), key, Bind.local);
  }
}

/**
 * The role of a connection's local side, by its ports alone: the side with the less ephemeral port is the server. With
 * ports of one kind it is a client.
 */
export function roleFromPorts(local: number, remote: number): number {
  return ephemerality(local) < ephemerality(remote) ? SocketRole.server : SocketRole.client;
}

/** How much a port looks like a kernel's choice for a client, 0 to 4. */
function ephemerality(port: number): number {
  if (port >= 49152) return 4; // RFC 6335 §6, IANA's dynamic ports
  if (port >= 32768) return 3; // Linux's ip_local_port_range
  if (port >= 1025 && port <= 5000) return 2; // BSD, and Windows before Vista
  if (port === 1024) return 1; // the first that needs no privilege
  return 0;
}

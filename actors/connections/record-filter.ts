import type { StateSettings } from '../capture/facts.js';
import { SocketRole, socket_record } from '../capture/layout.js';
import { TCP_LISTEN } from '../capture/linux.js';
import { socketParts, type Records } from '../capture/records.js';
import { ADDRESS_WORDS, isLoopback, readAddress } from './address.js';
import type { Roles } from './role.js';
import { recordFamily } from './rows.js';
import { isUdpSocket } from './socket-record.js';

/** The discard service (RFC 863): programs send to it to find a route, or to wake a machine. */
const IGNORED_PORT = 9;

/** Decides which socket records count, by the settings. */
export class RecordFilter {
  readonly #settings: StateSettings;
  readonly #roles: Roles;
  /** Scratch: the local address of a listening socket. */
  readonly #local = new Uint32Array(ADDRESS_WORDS);

  constructor(settings: StateSettings, roles: Roles) {
    this.#settings = settings;
    this.#roles = roles;
  }

  admits(records: Records, at: number): boolean {
    return this.isInScope(records, at) && !this.#isDropped(records, at);
  }

  isInScope(records: Records, at: number): boolean {
    if (this.#settings.networkDisabled) return false;
    return this.#settings.scope === 'all' || records.container(at) !== 0;
  }

  /** Whether a listening socket is reported: one on the loopback is unreachable from outside. */
  isReachable(records: Records, at: number): boolean {
    if (!this.#settings.endpoints) return false;
    const family = recordFamily(records, at);
    readAddress(records.u32, socketParts.local(at) >> 2, family, this.#local, 0);
    return !isLoopback(this.#local, 0, family);
  }

  /** Whether the record at `at` is of UDP with server port 0, where nothing arrives, or `IGNORED_PORT`. */
  #isDropped(records: Records, at: number): boolean {
    if (!isUdpSocket(records, at)) return false;
    const word = this.#isServer(records, at) ? socket_record.local_port : socket_record.remote_port;
    const port = records.u16[(at + word) >> 1]!;
    return port === 0 || (this.#settings.dropIgnored && port === IGNORED_PORT);
  }

  #isServer(records: Records, at: number): boolean {
    if (isListening(records, at)) return true;
    const role = records.u8[at + socket_record.role]!;
    return (role === SocketRole.unknown ? this.#roles.of(records, at) : role) === SocketRole.server;
  }
}

/** Whether a scanned socket listens. */
export function isListening(records: Records, at: number): boolean {
  return records.u8[at + socket_record.state] === TCP_LISTEN;
}

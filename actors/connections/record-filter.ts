import type { StateSettings } from '../capture/facts.js';
import { RecordType, SocketRole, socket_record } from '../capture/layout.js';
import { TCP_LISTEN } from '../capture/linux.js';
import { socketParts, type Records } from '../capture/records.js';
import { ADDRESS_WORDS, isLoopback, readAddress } from './address.js';
import type { Roles } from './role.js';
import { recordFamily } from './rows.js';
import { isUdpSocket } from './socket-record.js';

/** The discard service (RFC 863): programs send to it to find a route, or to wake a machine. */
const IGNORED_PORT = 9;

/** Why a socket record does not count, in the words of a log line. */
export type LeftOutReason =
  | 'not reported by the settings'
  | 'of the host'
  | 'on a dropped port'
  | 'on the loopback'
  | 'in an ignored network';

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

  /** The reason against the record at `at`; undefined if it is admitted. */
  reasonAgainst(records: Records, at: number): LeftOutReason | undefined {
    if (this.#settings.networkDisabled) return 'not reported by the settings';
    if (!this.isInScope(records, at)) return 'of the host';
    return this.#isDropped(records, at) ? 'on a dropped port' : undefined;
  }

  /** The reason against a listening socket; undefined if it is reported. */
  reasonAgainstListening(records: Records, at: number): LeftOutReason | undefined {
    if (!this.#settings.endpoints) return 'not reported by the settings';
    return this.isReachable(records, at) ? undefined : 'on the loopback';
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

/** Whether the record at `at`, of an event or a scan, is of a listening socket. */
export function isOfListening(records: Records, at: number): boolean {
  const type = records.type(at);
  return type === RecordType.listen || type === RecordType.unlisten || isListening(records, at);
}

/** Whether a scanned socket listens. */
export function isListening(records: Records, at: number): boolean {
  return records.u8[at + socket_record.state] === TCP_LISTEN;
}

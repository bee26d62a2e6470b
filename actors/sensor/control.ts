import { AF_INET, AF_INET6, settleNetwork } from '../connections/address.js';
import { prepare } from '../connections/networks.js';
import type { Sliced } from '../capture/slices.js';
import { NETWORK_WORDS, type ControlFact } from '../capture/facts.js';
import type { ControlMessage } from './messages.js';

/** The usable lists of a control message, and a warning for each unusable one. */
export interface Control {
  readonly lists: Omit<ControlFact, 'kind' | 'time'>;
  readonly warnings: readonly string[];
}

/** Bytes of an address and of its prefix's length. */
const IPV4_NETWORK = 5;
const IPV6_NETWORK = 17;
const NONE = new Uint8Array(0);

/** Entries of a list read in one slice. */
const SLICE = 8192;
/** Most entries of a list, more than a cluster can have. In IPv6, with room for lookups to come, they take 80 MB. */
const MOST = 1_000_000;

/**
 * Reads the lists of a control message. A list of the wrong length, with an impossible prefix or with more than a
 * million entries is left out with a warning; the one in force before stays. Either list may come without the other.
 */
export function* readControl({ publicIpAddresses, ipNetworks }: ControlMessage): Sliced<Control> {
  const warnings: string[] = [];
  function* attempt(what: string, read: Sliced<Rows>): Sliced<Rows | undefined> {
    try {
      const rows = yield* read;
      yield* prepare(rows);
      return rows;
    } catch (error) {
      warnings.push(`Ignored Sensor's list of ${what}: ${(error as Error).message}`);
      return undefined;
    }
  }
  const publicAddresses =
    publicIpAddresses && (yield* attempt('public IPs', readAddresses(publicIpAddresses)));
  const networks = ipNetworks && (yield* attempt('known networks', readNetworks(ipNetworks)));
  return { lists: { ...(publicAddresses && { publicAddresses }), ...(networks && { networks }) }, warnings };
}

type Rows = Uint32Array<ArrayBuffer>;
type Addresses = NonNullable<ControlMessage['publicIpAddresses']>;
type Wide = NonNullable<Addresses['ipv6Addresses']>[number];

/** @throws Error if an IPv6 address lacks its second half, or if there are too many */
function* readAddresses({ ipv4Addresses, ipv6Addresses }: Addresses): Sliced<Rows> {
  const ipv4 = ipv4Addresses ?? [];
  const ipv6 = ipv6Addresses ?? [];
  if (ipv6.length % 2 !== 0) throw new Error(`${ipv6.length} halves of IPv6 addresses are not pairs`);
  const rows = rowsFor(ipv4.length + ipv6.length / 2);
  let row = 0;
  for (const address of ipv4) {
    rows[row] = AF_INET;
    rows[row + 1] = 32;
    rows[row + 2] = address;
    row += NETWORK_WORDS;
    if (row % (SLICE * NETWORK_WORDS) === 0) yield;
  }
  for (let half = 0; half < ipv6.length; half += 2) {
    rows[row] = AF_INET6;
    rows[row + 1] = 128;
    writeWide(ipv6[half]!, rows, row + 2);
    writeWide(ipv6[half + 1]!, rows, row + 4);
    settleNetwork(rows, row);
    row += NETWORK_WORDS;
    if (row % (SLICE * NETWORK_WORDS) === 0) yield;
  }
  return rows;
}

/** @throws Error if there are too many */
function rowsFor(count: number): Rows {
  if (count > MOST) throw new Error(`it has ${count} entries, and no more than ${MOST} are allowed`);
  return new Uint32Array(count * NETWORK_WORDS);
}

/** The upper and the lower 32 bits of a fixed64. */
function writeWide(word: Wide, out: Rows, at: number): void {
  const isNumber = typeof word === 'number';
  out[at] = isNumber ? Math.floor(word / 2 ** 32) : word.high;
  out[at + 1] = isNumber ? word : word.low;
}

/** @throws Error if a list is cut, has an impossible prefix, or too many networks */
function* readNetworks({
  ipv4Networks,
  ipv6Networks,
}: NonNullable<ControlMessage['ipNetworks']>): Sliced<Rows> {
  const ipv4 = ipv4Networks ?? NONE;
  const ipv6 = ipv6Networks ?? NONE;
  const ipv4Count = countIn(ipv4, IPV4_NETWORK, 'IPv4');
  const rows = rowsFor(ipv4Count + countIn(ipv6, IPV6_NETWORK, 'IPv6'));
  yield* writeNetworks(ipv4, IPV4_NETWORK, AF_INET, rows);
  yield* writeNetworks(ipv6, IPV6_NETWORK, AF_INET6, rows.subarray(ipv4Count * NETWORK_WORDS));
  return rows;
}

/** Counts the networks of a list. @throws Error if it is cut */
function countIn(bytes: Uint8Array, size: number, name: string): number {
  if (bytes.length % size === 0) return bytes.length / size;
  throw new Error(`${bytes.length} bytes of ${name} networks are not a multiple of ${size}`);
}

/**
 * @param size bytes of one network: its address in network order, then one byte with its prefix's length
 * @throws Error at a prefix longer than an address
 */
function* writeNetworks(bytes: Uint8Array, size: number, family: number, rows: Rows): Sliced<void> {
  for (let from = 0; from < bytes.length; from += SLICE * size) {
    const slice = bytes.subarray(from, from + SLICE * size);
    writeSlice(slice, size, family, rows.subarray((from / size) * NETWORK_WORDS));
    yield;
  }
}

function writeSlice(bytes: Uint8Array, size: number, family: number, rows: Rows): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, row = 0; at < bytes.length; at += size, row += NETWORK_WORDS) {
    const prefix = view.getUint8(at + size - 1);
    if (prefix > (size - 1) * 8) {
      throw new Error(`an ${family === AF_INET ? 'IPv4' : 'IPv6'} network has a prefix of ${prefix} bits`);
    }
    rows[row] = family;
    rows[row + 1] = prefix;
    for (let word = 0; word * 4 < size - 1; word++) rows[row + 2 + word] = view.getUint32(at + word * 4);
    settleNetwork(rows, row);
  }
}

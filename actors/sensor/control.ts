import { AF_INET, AF_INET6, settleNetwork } from '../connections/address.js';
import { NETWORK_WORDS, type ControlFact } from '../capture/facts.js';
import type { ControlMessage } from './messages.js';

/** What of a control message can be used, and a warning for each list that cannot. */
export interface Control {
  readonly lists: Omit<ControlFact, 'kind' | 'time'>;
  readonly warnings: readonly string[];
}

/** Bytes of an address and of its prefix's length. */
const IPV4_NETWORK = 5;
const IPV6_NETWORK = 17;
const NONE = new Uint8Array(0);

/**
 * The lists of a control message. One of the wrong length is left out with a warning, and so is one with a prefix that
 * no address has; what was in force stays then. Each of the two lists is taken whether or not the other is there.
 */
export function readControl({ publicIpAddresses, ipNetworks }: ControlMessage): Control {
  const warnings: string[] = [];
  const attempt = <T>(what: string, list: T, read: (list: T) => Rows): Rows | undefined => {
    try {
      return read(list);
    } catch (error) {
      warnings.push(`Ignored Sensor's list of ${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const publicAddresses = publicIpAddresses && attempt('public IPs', publicIpAddresses, readAddresses);
  const networks = ipNetworks && attempt('known networks', ipNetworks, readNetworks);
  return { lists: { ...(publicAddresses && { publicAddresses }), ...(networks && { networks }) }, warnings };
}

type Rows = Uint32Array<ArrayBuffer>;
type Addresses = NonNullable<ControlMessage['publicIpAddresses']>;
type Wide = NonNullable<Addresses['ipv6Addresses']>[number];

/** @throws Error if an IPv6 address lacks its second half */
function readAddresses({ ipv4Addresses, ipv6Addresses }: Addresses): Rows {
  const ipv4 = ipv4Addresses ?? [];
  const ipv6 = ipv6Addresses ?? [];
  if (ipv6.length % 2 !== 0) throw new Error(`${ipv6.length} halves of IPv6 addresses are not pairs`);
  const rows = new Uint32Array((ipv4.length + ipv6.length / 2) * NETWORK_WORDS);
  let row = 0;
  for (const address of ipv4) {
    rows[row] = AF_INET;
    rows[row + 1] = 32;
    rows[row + 2] = address;
    row += NETWORK_WORDS;
  }
  for (let half = 0; half < ipv6.length; half += 2, row += NETWORK_WORDS) {
    rows[row] = AF_INET6;
    rows[row + 1] = 128;
    writeWide(ipv6[half]!, rows, row + 2);
    writeWide(ipv6[half + 1]!, rows, row + 4);
    settleNetwork(rows, row);
  }
  return rows;
}

/** The upper and the lower 32 bits of a fixed64. */
function writeWide(word: Wide, out: Rows, at: number): void {
  const isNumber = typeof word === 'number';
  out[at] = isNumber ? Math.floor(word / 2 ** 32) : word.high;
  out[at + 1] = isNumber ? word : word.low;
}

/** @throws Error if a list is cut or has a prefix that no address has */
function readNetworks({ ipv4Networks, ipv6Networks }: NonNullable<ControlMessage['ipNetworks']>): Rows {
  const ipv4 = ipv4Networks ?? NONE;
  const ipv6 = ipv6Networks ?? NONE;
  const ipv4Rows = rowsIn(ipv4, IPV4_NETWORK, 'IPv4');
  const rows = new Uint32Array(ipv4Rows + rowsIn(ipv6, IPV6_NETWORK, 'IPv6'));
  writeNetworks(ipv4, IPV4_NETWORK, AF_INET, rows, 0);
  writeNetworks(ipv6, IPV6_NETWORK, AF_INET6, rows, ipv4Rows);
  return rows;
}

/** Words that the rows of a list of networks take. */
function rowsIn(bytes: Uint8Array, size: number, name: string): number {
  if (bytes.length % size !== 0) {
    throw new Error(`${bytes.length} bytes of ${name} networks are not a multiple of ${size}`);
  }
  const bits = (size - 1) * 8;
  for (let at = size - 1; at < bytes.length; at += size) {
    if (bytes[at]! > bits) throw new Error(`an ${name} network has a prefix of ${bytes[at]} bits`);
  }
  return (bytes.length / size) * NETWORK_WORDS;
}

/** @param size of one network: its address in network order, then one byte with its prefix's length */
function writeNetworks(bytes: Uint8Array, size: number, family: number, rows: Rows, first: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, row = first; at < bytes.length; at += size, row += NETWORK_WORDS) {
    rows[row] = family;
    rows[row + 1] = view.getUint8(at + size - 1);
    for (let word = 0; word * 4 < size - 1; word++) rows[row + 2 + word] = view.getUint32(at + word * 4);
    settleNetwork(rows, row);
  }
}

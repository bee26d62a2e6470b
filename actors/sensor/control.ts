import { AF_INET, AF_INET6, network, type Network } from '../connections/address.js';
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
  const attempt = (what: string, read: () => readonly Network[]): Uint32Array<ArrayBuffer> | undefined => {
    try {
      return rows(read());
    } catch (error) {
      warnings.push(`Ignored Sensor's list of ${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const publicAddresses =
    publicIpAddresses &&
    attempt('public IPs', () => [
      ...(publicIpAddresses.ipv4Addresses ?? []).map((address) =>
        network(AF_INET, Uint32Array.of(address, 0, 0, 0), 32),
      ),
      ...pairs(publicIpAddresses.ipv6Addresses ?? []).map(([high, low]) =>
        network(AF_INET6, Uint32Array.of(...halves(high), ...halves(low)), 128),
      ),
    ]);
  const networks =
    ipNetworks &&
    attempt('known networks', () => [
      ...networksIn(ipNetworks.ipv4Networks ?? NONE, IPV4_NETWORK, AF_INET),
      ...networksIn(ipNetworks.ipv6Networks ?? NONE, IPV6_NETWORK, AF_INET6),
    ]);
  return { lists: { ...(publicAddresses && { publicAddresses }), ...(networks && { networks }) }, warnings };
}

type Wide = NonNullable<NonNullable<ControlMessage['publicIpAddresses']>['ipv6Addresses']>[number];

function pairs(words: readonly Wide[]): [Wide, Wide][] {
  if (words.length % 2 !== 0) throw new Error(`${words.length} halves of IPv6 addresses are not pairs`);
  return Array.from({ length: words.length / 2 }, (_, at) => [words[at * 2]!, words[at * 2 + 1]!]);
}

/** The upper and the lower 32 bits of a fixed64. */
function halves(word: Wide): [number, number] {
  if (typeof word === 'number') return [Math.floor(word / 2 ** 32), word >>> 0];
  return [word.high >>> 0, word.low >>> 0];
}

/** @param size of one network: its address in network order, then one byte with its prefix's length */
function networksIn(bytes: Uint8Array, size: number, family: number): Network[] {
  const name = family === AF_INET ? 'IPv4' : 'IPv6';
  if (bytes.length % size !== 0) {
    throw new Error(`${bytes.length} bytes of ${name} networks are not a multiple of ${size}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / size }, (_, index) => {
    const at = index * size;
    const prefix = view.getUint8(at + size - 1);
    if (prefix > (size - 1) * 8) throw new Error(`an ${name} network has a prefix of ${prefix} bits`);
    const words = new Uint32Array(4);
    for (let word = 0; word * 4 < size - 1; word++) words[word] = view.getUint32(at + word * 4);
    return network(family, words, prefix);
  });
}

function rows(networks: readonly Network[]): Uint32Array<ArrayBuffer> {
  const all = new Uint32Array(networks.length * NETWORK_WORDS);
  networks.forEach(({ family, prefix, words }, index) => {
    all.set([family, prefix], index * NETWORK_WORDS);
    all.set(words, index * NETWORK_WORDS + 2);
  });
  return all;
}

import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import fc from 'fast-check';
import {
  AF_INET,
  AF_INET6,
  addressBytes,
  formatAddress,
  parseNetwork,
} from '../../actors/connections/address.js';
import { Networks } from '../../actors/connections/networks.js';

describe('networks', () => {
  const networks = new Networks(
    ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '203.0.113.7/32', 'fd00::/8', 'fd00:1::/32'].map(
      parseNetwork,
    ),
  );
  const cases: [address: string, network: string | undefined][] = [
    ['10.1.2.3', '10.1.2.0/24'],
    ['10.1.3.3', '10.1.0.0/16'],
    ['10.2.2.3', '10.0.0.0/8'],
    ['11.1.2.3', undefined],
    ['203.0.113.7', '203.0.113.7/32'],
    ['203.0.113.6', undefined],
    ['fd00:1::1', 'fd00:1::/32'],
    ['fd00:2::1', 'fd00::/8'],
    ['fe00::1', undefined],
    ['::ffff:10.1.2.3', '10.1.2.0/24'],
    ['::ffff:11.1.2.3', undefined],
  ];
  for (const [address, network] of cases) {
    it(`finds ${network ?? 'nothing'} around ${address}`, () =>
      assert.equal(find(networks, address), network));
  }

  it('does not take an IPv4 address for the IPv6 one with the same first bits', () => {
    assert.equal(find(new Networks([parseNetwork('::/0')]), '10.1.2.3'), undefined);
    assert.equal(find(new Networks([parseNetwork('0.0.0.0/0')]), 'a01:203::'), undefined);
  });

  it('knows for each family whether a network is private', () => {
    const of = (...texts: string[]) => {
      const set = new Networks(texts.map(parseNetwork));
      return [set.hasPrivate(AF_INET), set.hasPrivate(AF_INET6)];
    };
    assert.deepEqual(of(), [false, false]);
    assert.deepEqual(of('203.0.113.0/24', '2001:db8::/32'), [false, false]);
    assert.deepEqual(of('203.0.113.0/24', '10.0.0.0/24'), [true, false]);
    assert.deepEqual(of('fd00::/48'), [false, true]);
  });

  it('agrees with the list that Node has', () => {
    // Octets from a small set, so that addresses fall into networks.
    const octet = fc.constantFrom(0, 1, 127, 128, 255);
    const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
    const group = fc.constantFrom('0', '1', '8000', 'ffff');
    const ipv6 = fc
      .array(group, { minLength: 8, maxLength: 8 })
      .map((groups) => `1${groups.join(':').slice(1)}`);
    const network = fc.oneof(
      fc.tuple(ipv4, fc.nat(32)).map(([base, prefix]) => ({ base, prefix, family: 'ipv4' as const })),
      fc.tuple(ipv6, fc.nat(128)).map(([base, prefix]) => ({ base, prefix, family: 'ipv6' as const })),
    );
    fc.assert(
      fc.property(fc.array(network), fc.oneof(ipv4, ipv6), (list, address) => {
        const family = address.includes(':') ? 'ipv6' : 'ipv4';
        const around = list.filter((one) => {
          if (one.family !== family) return false;
          const blocks = new BlockList();
          blocks.addSubnet(one.base, one.prefix, one.family);
          return blocks.check(address, family);
        });
        const longest = Math.max(...around.map(({ prefix }) => prefix));
        const found = find(
          new Networks(list.map(({ base, prefix }) => parseNetwork(`${base}/${prefix}`))),
          address,
        );
        assert.equal(found?.split('/')[1], around.length === 0 ? undefined : String(longest));
      }),
      { numRuns: 500 },
    );
  });
});

/** The most specific network around an address, as text. */
function find(networks: Networks, address: string): string | undefined {
  const family = address.includes(':') ? AF_INET6 : AF_INET;
  const words = new Uint32Array(6);
  words.set(wordsOf(address), 1);
  const network = networks.find(words, 1, family);
  if (!network) return undefined;
  return `${formatAddress(addressBytes(network.words, 0, network.family))}/${network.prefix}`;
}

function wordsOf(address: string): Uint32Array {
  const mapped = /^::ffff:(.*\..*)$/.exec(address)?.[1];
  if (mapped === undefined) return parseNetwork(`${address}/${address.includes(':') ? 128 : 32}`).words;
  return Uint32Array.of(0, 0, 0xffff, parseNetwork(`${mapped}/32`).words[0]!);
}

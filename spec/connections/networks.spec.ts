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
import { LinearNetworks } from '../../scripts/bench/linear-networks.js';

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

  it('finds networks nested as deep as an address has bits, from all addresses to one', () => {
    for (const [base, bits, family] of [
      ['10.1.2.3', 32, 4],
      ['2001:db8::1', 128, 6],
    ] as const) {
      const nested = Array.from({ length: bits + 1 }, (_, prefix) => parseNetwork(`${base}/${prefix}`));
      assert.equal(find(new Networks(nested), base), `${base}/${bits}`);
      assert.equal(find(new Networks(nested.reverse()), base), `${base}/${bits}`);
      assert.match(find(new Networks(nested), family === 4 ? '138.0.0.1' : 'a001::') ?? '', /\/0$/);
    }
  });

  it('finds nothing in an empty set', () => {
    assert.equal(find(new Networks(), '10.1.2.3'), undefined);
    assert.equal(find(new Networks(), 'fd00::1'), undefined);
  });

  it('takes IPv4-mapped networks for IPv4 ones', () => {
    const mapped = new Networks([parseNetwork('::ffff:10.1.0.0/112')]);
    assert.equal(find(mapped, '10.1.2.3'), '10.1.0.0/16');
    assert.equal(find(mapped, '::ffff:10.1.2.3'), '10.1.0.0/16');
  });

  it('agrees with a list that is looked through', () => {
    // Words from a small set, so that networks nest, repeat and hold the addresses.
    const word = fc.constantFrom(0, 1, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_0000, 0xffff_ffff);
    const address = fc.oneof(
      word.map((first) => [AF_INET, first, 0, 0, 0] as const),
      fc.tuple(fc.constant(AF_INET6), word, word, word, word),
      word.map((last) => [AF_INET6, 0, 0, 0xffff, last] as const),
    );
    const network = fc
      .tuple(address, fc.nat(128))
      .map(([[family, ...words], prefix]) => [family, family === AF_INET ? prefix % 33 : prefix, ...words]);
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 60 }),
        fc.array(address, { minLength: 1 }),
        (list, asked) => {
          const rows = Uint32Array.from(list.flat());
          const networks = new Networks(rows);
          const linear = new LinearNetworks(rows);
          for (const [family, ...words] of asked) {
            const at = Uint32Array.of(7, ...words);
            assert.equal(networks.find(at, 1, family)?.prefix ?? -1, linear.find(at, 1, family));
          }
        },
      ),
      { numRuns: 1000 },
    );
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

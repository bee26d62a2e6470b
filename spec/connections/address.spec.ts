import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import {
  AF_INET,
  AF_INET6,
  addressBytes,
  formatAddress,
  isLoopback,
  isPrivate,
  parseNetwork,
  readAddress,
} from '../../actors/connections/address.js';
import { addressBytes as bytesOf } from '../support/records.js';

describe('address', () => {
  it('reads network byte order into words, and writes it again', () => {
    for (const text of ['192.0.2.7', '2001:db8::1:203', '::ffff:192.0.2.7']) {
      const bytes = bytesOf(text);
      const { words, family } = read(text);
      assert.equal(family, bytes.length === 4 ? AF_INET : AF_INET6);
      assert.deepEqual(addressBytes(words, 0, family), bytes);
    }
    assert.deepEqual(read('192.0.2.7').words, Uint32Array.of(0xc0000207, 0, 0, 0));
  });

  it('clears what another address left behind', () => {
    const out = new Uint32Array(6).fill(9);
    readAddress(Uint32Array.of(0x0100007f), 0, AF_INET, out, 1);
    assert.deepEqual(out, Uint32Array.of(9, 0x7f000001, 0, 0, 0, 9));
  });

  const texts: [address: string, loopback: boolean, private_: boolean][] = [
    ['127.0.0.1', true, false],
    ['127.255.255.255', true, false],
    ['126.255.255.255', false, false],
    ['128.0.0.0', false, false],
    ['::1', true, false],
    ['::2', false, false],
    ['::', false, false],
    ['1::1', false, false],
    ['::ffff:127.0.0.1', true, false],
    ['::fffe:127.0.0.1', false, false],
    ['9.255.255.255', false, false],
    ['10.0.0.0', false, true],
    ['10.255.255.255', false, true],
    ['11.0.0.0', false, false],
    ['100.63.255.255', false, false],
    ['100.64.0.0', false, true],
    ['100.127.255.255', false, true],
    ['100.128.0.0', false, false],
    ['169.253.255.255', false, false],
    ['169.254.0.0', false, true],
    ['169.254.255.255', false, true],
    ['169.255.0.0', false, false],
    ['172.15.255.255', false, false],
    ['172.16.0.0', false, true],
    ['172.31.255.255', false, true],
    ['172.32.0.0', false, false],
    ['192.167.255.255', false, false],
    ['192.168.0.0', false, true],
    ['192.168.255.255', false, true],
    ['192.169.0.0', false, false],
    ['fc00::1', false, false],
    ['fd00::', false, true],
    ['fdff:ffff::1', false, true],
    ['fe00::', false, false],
    ['::ffff:10.1.2.3', false, true],
    ['::ffff:172.16.0.1', false, true],
    ['::ffff:11.1.2.3', false, false],
  ];
  for (const [text, loopback, private_] of texts) {
    it(`takes ${text} for ${loopback ? '' : 'no '}loopback and ${private_ ? '' : 'not '}private`, () => {
      const { words, family } = read(text);
      assert.equal(isLoopback(words, 0, family), loopback);
      assert.equal(isPrivate(words, 0, family), private_);
    });
  }

  const forms: [from: string, to: string][] = [
    ['192.0.2.255', '192.0.2.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:0:3:4:5:6:7:8', '::3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::fffe:192.0.2.1', '::fffe:c000:201'],
  ];
  for (const [from, to] of forms) {
    it(`writes ${from} as ${to}`, () => assert.equal(formatAddress(bytesOf(from)), to));
  }

  it('writes any 16 bytes as text that means the same bytes', () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const bytes = Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 255]));
        const text = formatAddress(bytes);
        assert.ok(isIPv6(text), text);
        assert.deepEqual(bytesOf(text), bytes);
        // The address parser of URLs prints the same form, but mapped addresses in hexadecimal.
        if (!text.includes('.')) assert.equal(new URL(`http://[${text}]`).hostname, `[${text}]`);
      }),
    );
  });
});

describe('network in CIDR form', () => {
  const valid: [text: string, family: number, base: string, prefix: number][] = [
    ['10.0.0.0/8', AF_INET, '10.0.0.0', 8],
    ['10.1.2.3/8', AF_INET, '10.0.0.0', 8],
    ['255.255.255.255/32', AF_INET, '255.255.255.255', 32],
    ['255.255.255.255/31', AF_INET, '255.255.255.254', 31],
    ['1.2.3.4/0', AF_INET, '0.0.0.0', 0],
    ['fe80::/10', AF_INET6, 'fe80::', 10],
    ['2001:db8:1:2:3:4:5:6/63', AF_INET6, '2001:db8:1:2::', 63],
    ['2001:db8:1:2:3:4:5:6/64', AF_INET6, '2001:db8:1:2::', 64],
    ['2001:db8:1:2:3:4:5:6/65', AF_INET6, '2001:db8:1:2::', 65],
    ['::1/128', AF_INET6, '::1', 128],
    ['::/0', AF_INET6, '::', 0],
    ['::ffff:10.1.2.3/104', AF_INET, '10.0.0.0', 8],
    ['64:ff9b::192.0.2.1/128', AF_INET6, '64:ff9b::c000:201', 128],
  ];
  for (const [text, family, base, prefix] of valid) {
    it(`reads ${text}`, () => {
      const network = parseNetwork(text);
      assert.equal(network.family, family);
      assert.equal(network.prefix, prefix);
      assert.equal(formatAddress(addressBytes(network.words, 0, family)), base);
    });
  }

  const invalid: [text: string, message: RegExp][] = [
    ['', /network '': '' is neither an IPv4 nor an IPv6 address/],
    ['10.0.0.0', /network '10\.0\.0\.0': expected 10\.0\.0\.0\/ and a prefix length from 0 to 32/],
    ['10.0.0.0/33', /prefix length from 0 to 32/],
    ['10.0.0.0/', /prefix length from 0 to 32/],
    ['10.0.0.0/-1', /prefix length from 0 to 32/],
    ['10.0.0.0/8.0', /prefix length from 0 to 32/],
    ['10.0.0.0/8/8', /prefix length from 0 to 32/],
    ['fe80::/129', /network 'fe80::\/129': expected fe80::\/ and a prefix length from 0 to 128/],
    ['10.0.0/8', /'10\.0\.0' is neither/],
    ['10.0.0.256/8', /'10\.0\.0\.256' is neither/],
    ['fe80::1%eth0/64', /'fe80::1%eth0' is neither/],
    [' 10.0.0.0/8', /' 10\.0\.0\.0' is neither/],
    ['localhost/8', /'localhost' is neither/],
  ];
  for (const [text, message] of invalid) {
    it(`refuses '${text}' and says why`, () => assert.throws(() => parseNetwork(text), { message }));
  }
});

function read(text: string): { words: Uint32Array; family: number } {
  const bytes = bytesOf(text);
  const family = bytes.length === 4 ? AF_INET : AF_INET6;
  const source = new Uint32Array(5);
  new Uint8Array(source.buffer).set(bytes, 4);
  const words = new Uint32Array(4);
  readAddress(source, 1, family, words, 0);
  return { words, family };
}

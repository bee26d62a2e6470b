import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cidr } from '../../actors/settings/cidr.js';

const accepted = (text: string): boolean => 'value' in cidr.parse(text);

describe('a network in CIDR form', () => {
  it('is any address with a prefix length of its family, and stays as it was written', () => {
    const ipv4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }));
    const ipv6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }));
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), ([address, length]) => {
        const text = `${address}/${length}`;
        assert.deepEqual(cidr.parse(text), { value: text });
      }),
    );
  });

  it('has no longer prefix than its family has bits', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 33, max: 999 }), (address, n) => !accepted(`${address}/${n}`)),
    );
    fc.assert(
      fc.property(
        fc.ipV6(),
        fc.integer({ min: 129, max: 999 }),
        (address, n) => !accepted(`${address}/${n}`),
      ),
    );
  });

  const refused = [
    '',
    '/',
    '/8',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.256/8',
    'fe80::1%eth0/64',
    '10.0.0.0/8\n',
    ' 10.0.0.0/8',
    'example.org/8',
    ':::/8',
  ];
  for (const text of refused) it(`is not ${JSON.stringify(text)}`, () => assert.ok(!accepted(text)));
});

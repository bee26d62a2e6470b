import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hostPort } from '../../actors/settings/host-port.js';

const accepted = (text: string): boolean => 'value' in hostPort.parse(text);

describe("a server's address", () => {
  it('is a domain, an IPv4 or a bracketed IPv6 address, with a port', () => {
    const host = fc.oneof(
      fc.domain().filter((name) => name.length < 240),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    );
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (name, port) => {
        assert.deepEqual(hostPort.parse(`${name}:${port}`), { value: `${name}:${port}` });
      }),
    );
  });

  const allowed = ['', 'sensor:443', 'sensor.stackrox.svc.:443', 'node_1:1', `${'x'.repeat(251)}:443`];
  for (const text of allowed) it(`can be ${JSON.stringify(text)}`, () => assert.ok(accepted(text)));

  const refused = [
    'sensor',
    ':443',
    'sensor:',
    'sensor:0',
    'sensor:00443',
    'sensor:65536',
    'sensor:443x',
    'a..b:1',
    '.a:1',
    'a b:1',
    '1.2.3:443',
    '1.2.3.256:443',
    '443:443',
    '::1:443',
    '[::1]',
    '[::1]x:443',
    '[1.2.3.4]:443',
    '[fe80::1%eth0]:443',
    'https://sensor:443',
    'sensor:443/path',
    'sensor:443\n',
    `${'x'.repeat(252)}:443`,
  ];
  for (const text of refused) it(`cannot be ${JSON.stringify(text)}`, () => assert.ok(!accepted(text)));
});

import assert from 'node:assert/strict';
import { allAtOnce } from '../../actors/capture/slices.js';
import { readControl, type Control } from '../../actors/sensor/control.js';
import { decodeControlMessage, type ControlMessage } from '../../actors/sensor/messages.js';
import { messageType } from '../support/proto-json.js';
import { Story, client } from '../connections/support.js';

const type = messageType('sensor.NetworkFlowsControlMessage');

/** A message as it comes over the wire. */
function wired(message: object): ControlMessage {
  return decodeControlMessage(type.encode(type.fromObject(message)).finish() as Buffer);
}

/** What is made of it. */
function receive(message: object): Control {
  return allAtOnce(readControl(wired(message)));
}

const PUBLIC = 0xcb007107; // 203.0.113.7
const TEN = [10, 0, 0, 0, 8];
const DOC6 = [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(12).fill(0), 32];

/** How a client's peers are reported once the state knows what Sensor said. */
function shown({ lists }: Control, ...peers: string[]): string[] {
  const story = new Story();
  story.state.control({ kind: 'control', time: 1, ...lists });
  story.events(
    ...peers.map((remote, at) =>
      client({
        time: 2,
        remote,
        local: remote.includes(':') ? 'fd00::1' : '10.0.0.1',
        localPort: 40_000 + at,
      }),
    ),
  );
  return story.connections(30).map((text) => text.replace('1 client nothing - ', ''));
}

describe("Sensor's control messages", () => {
  it('tell the networks whose name alone is reported, by which private peers are placed too', () => {
    const control = receive({ ipNetworks: { ipv4Networks: [...TEN, 203, 0, 113, 0, 24] } });
    assert.deepEqual(control.warnings, []);
    assert.deepEqual(shown(control, '203.0.113.9', '10.1.2.3', '198.51.100.1'), [
      '10.1.2.3 in 10.1.2.3/8 :80',
      '255.255.255.255 :80',
      'in 203.0.113.0/24 :80',
    ]);
  });

  it('tell the public addresses that are reported as they are', () => {
    const control = receive({
      publicIpAddresses: { ipv4Addresses: [PUBLIC], ipv6Addresses: ['2306139568115548160', '1'] },
    });
    assert.deepEqual(shown(control, '203.0.113.7', '203.0.113.8', '2001:db8::1', '2001:db8::2'), [
      '2001:db8::1 :80',
      '203.0.113.7 :80',
      '255.255.255.255 :80',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff :80',
    ]);
  });

  it('tell of IPv6 networks, and of IPv4 ones in their IPv4-mapped form', () => {
    const mapped = [...new Array<number>(10).fill(0), 0xff, 0xff, 203, 0, 113, 0, 120];
    const control = receive({ ipNetworks: { ipv6Networks: [...DOC6, ...mapped] } });
    assert.deepEqual(shown(control, '2001:db8::1', '203.0.113.9'), [
      'in 2001:db8::/32 :80',
      'in 203.0.113.0/24 :80',
    ]);
  });

  it('take each list whether or not the other is there, and leave the one that is not as it is', () => {
    const story = new Story();
    story.state.control({
      kind: 'control',
      time: 1,
      ...receive({ ipNetworks: { ipv4Networks: [203, 0, 113, 0, 24] } }).lists,
    });
    story.state.control({
      kind: 'control',
      time: 2,
      ...receive({ publicIpAddresses: { ipv4Addresses: [PUBLIC] } }).lists,
    });
    story.events(client({ time: 3, remote: '203.0.113.7' }), client({ time: 3, remote: '203.0.113.8' }));
    assert.deepEqual(story.connections(30), [
      '1 client nothing - 203.0.113.7 in 203.0.113.7/24 :80',
      '1 client nothing - in 203.0.113.0/24 :80',
    ]);
  });

  it('are read in slices, the same as at once, however long they are', () => {
    const ipv4Networks = new Uint8Array(5 * 100_000);
    for (let network = 0; network < 100_000; network++) {
      ipv4Networks.set([20, network >> 16, network >> 8, network, 32], network * 5);
    }
    const work = readControl(wired({ ipNetworks: { ipv4Networks } }));
    let slices = 1;
    let step = work.next();
    for (; !step.done; step = work.next()) slices++;
    assert.ok(slices > 10, `${slices} slices`);
    assert.deepEqual(shown(step.value, '20.0.0.0', '20.1.134.159', '20.1.134.160'), [
      '255.255.255.255 :80',
      'in 20.0.0.0/32 :80',
      'in 20.1.134.159/32 :80',
    ]);
  });

  it('are ignored where they have more than a million entries, with a warning that says how many', () => {
    const { lists, warnings } = receive({
      ipNetworks: { ipv4Networks: new Uint8Array(5 * 1_000_001) },
      publicIpAddresses: { ipv4Addresses: [PUBLIC] },
    });
    assert.deepEqual(warnings, [
      "Ignored Sensor's list of known networks: it has 1000001 entries, and no more than 1000000 are allowed",
    ]);
    assert.deepEqual(Object.keys(lists), ['publicAddresses']);
  });

  it('empty a list that is there and empty', () => {
    assert.deepEqual(receive({ ipNetworks: {} }).lists, { networks: new Uint32Array(0) });
    assert.deepEqual(receive({}).lists, {});
  });

  it('close and open the connections that are reported otherwise from then on', () => {
    const story = new Story();
    story.events(client({ time: 1, remote: '203.0.113.7' }));
    assert.deepEqual(story.connections(30), ['1 client nothing - 255.255.255.255 :80']);
    story.state.control({
      kind: 'control',
      time: 31,
      ...receive({ publicIpAddresses: { ipv4Addresses: [PUBLIC] } }).lists,
    });
    assert.deepEqual(story.connections(60), [
      '1 client nothing - 203.0.113.7 :80',
      '1 client nothing - 255.255.255.255 :80 closed 1',
    ]);
  });

  for (const [what, message, warning] of [
    [
      'IPv4 networks of 7 bytes',
      { ipNetworks: { ipv4Networks: [...TEN, 1, 2] } },
      'known networks: 7 bytes of IPv4 networks are not a multiple of 5',
    ],
    [
      'IPv6 networks of 16 bytes',
      { ipNetworks: { ipv6Networks: DOC6.slice(1) } },
      'known networks: 16 bytes of IPv6 networks are not a multiple of 17',
    ],
    [
      'a prefix that no IPv4 address has',
      { ipNetworks: { ipv4Networks: [10, 0, 0, 0, 33] } },
      'known networks: an IPv4 network has a prefix of 33 bits',
    ],
    [
      'half an IPv6 address',
      { publicIpAddresses: { ipv6Addresses: [1, 2, 3] } },
      'public IPs: 3 halves of IPv6 addresses are not pairs',
    ],
  ] as const) {
    it(`are ignored where they have ${what}, with a warning`, () => {
      const both = {
        publicIpAddresses: { ipv4Addresses: [PUBLIC] },
        ipNetworks: { ipv4Networks: TEN },
        ...message,
      };
      const { lists, warnings } = receive(both);
      assert.deepEqual(warnings, [`Ignored Sensor's list of ${warning}`]);
      assert.deepEqual(Object.keys(lists), ['ipNetworks' in message ? 'publicAddresses' : 'networks']);
    });
  }
});

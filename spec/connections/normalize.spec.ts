import assert from 'node:assert/strict';
import { SocketRole } from '../../actors/capture/layout.js';
import { parseNetwork, readAddress } from '../../actors/connections/address.js';
import { Networks } from '../../actors/connections/networks.js';
import { normalize } from '../../actors/connections/normalize.js';
import { connectionReport, type ConnectionReport } from '../../actors/connections/report.js';
import { Flow, Link, recordFamily, withFlowRole, writeOwner } from '../../actors/connections/rows.js';
import { SlotTable } from '../../actors/connections/table.js';
import { socket_record } from '../../actors/capture/layout.js';
import { socketParts } from '../../actors/capture/records.js';
import { addressBytes, batch, containerNumber, socketRecord, type Socket } from '../support/records.js';
import { client, server, showConnection } from './support.js';

interface Around {
  nonAggregated?: string[];
  known?: string[];
  publicAddresses?: string[];
  externalIngress?: boolean;
  externalEgress?: boolean;
}

const NONE = new Uint8Array(0);
const ALL_ONES = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

describe('normalise', () => {
  it('leaves a server its own port and its peer’s address', () => {
    const report = normalized(server({ container: '0123456789ab' }));
    assert.deepEqual(report, {
      container: containerNumber('0123456789ab'),
      protocol: 6,
      role: SocketRole.server,
      local: { address: NONE, port: 8080, network: NONE },
      remote: { address: addressBytes('10.0.0.9'), port: 0, network: NONE },
      closedAt: undefined,
    });
  });

  it('leaves a client its peer’s address and port', () => {
    const report = normalized(client({ container: 'ffffffffffff', protocol: 17, remotePort: 65535 }));
    assert.deepEqual(report, {
      container: containerNumber('ffffffffffff'),
      protocol: 17,
      role: SocketRole.client,
      local: undefined,
      remote: { address: addressBytes('10.0.0.9'), port: 65535, network: NONE },
      closedAt: undefined,
    });
  });

  it('writes networks as an address and a prefix length', () => {
    const around = { known: ['10.0.0.0/8', 'fd00::/8'] };
    const { remote } = normalized(client(), around);
    assert.deepEqual(remote, {
      address: addressBytes('10.0.0.9'),
      port: 80,
      network: Uint8Array.of(10, 0, 0, 9, 8),
    });
    const ipv6 = normalized(client({ local: 'fd00::1', remote: 'fd00::9' }), around);
    assert.deepEqual(ipv6.remote.network, Uint8Array.of(...addressBytes('fd00::9'), 8));
  });

  const cases: [title: string, remote: string, around: Around, told: string][] = [
    ['keeps a private address', '10.1.2.3', {}, '10.1.2.3'],
    ['keeps a private IPv6 address', 'fd00::9', {}, 'fd00::9'],
    ['keeps a private IPv4-mapped address as it is', '::ffff:10.1.2.3', {}, '::ffff:10.1.2.3'],
    ['keeps a non-aggregated address', '203.0.113.7', { nonAggregated: ['203.0.113.0/24'] }, '203.0.113.7'],
    [
      'keeps a non-aggregated address even where Sensor knows a network',
      '203.0.113.7',
      { nonAggregated: ['203.0.113.0/24'], known: ['203.0.113.0/28'] },
      '203.0.113.7',
    ],
    [
      'names the known network of a private address',
      '10.1.2.3',
      { known: ['10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16'] },
      '10.1.2.3 in 10.1.2.3/16',
    ],
    [
      'names that of an IPv4-mapped one by its length among 128 bits',
      '::ffff:10.1.2.3',
      { known: ['10.1.0.0/16'] },
      '::ffff:10.1.2.3 in ::ffff:10.1.2.3/112',
    ],
    [
      'names none of length 0',
      '::ffff:192.168.1.1',
      { known: ['0.0.0.0/0', '10.0.0.0/8'] },
      '::ffff:192.168.1.1',
    ],
    [
      'names none when the private address is in no known network',
      '10.1.2.3',
      { known: ['192.168.0.0/16'] },
      '10.1.2.3',
    ],
    [
      'names none while no known network of its family is private',
      '10.1.2.3',
      { known: ['0.0.0.0/1', 'fd00::/8'] },
      '10.1.2.3',
    ],
    [
      'names the one around a private address once another is private',
      '10.1.2.3',
      { known: ['0.0.0.0/1', '192.168.0.0/16'] },
      '10.1.2.3 in 10.1.2.3/1',
    ],
    [
      'names that of a non-aggregated address once a known one is private',
      '203.0.113.7',
      { nonAggregated: ['203.0.113.0/24'], known: ['203.0.113.0/28', '10.0.0.0/8'] },
      '203.0.113.7 in 203.0.113.7/28',
    ],
    ['keeps a known public address', '203.0.113.7', { publicAddresses: ['203.0.113.7/32'] }, '203.0.113.7'],
    [
      'keeps it with the known network around it',
      '203.0.113.7',
      { publicAddresses: ['203.0.113.7/32'], known: ['203.0.113.0/24'] },
      '203.0.113.7 in 203.0.113.7/24',
    ],
    [
      'tells only the known network of any other address',
      '203.0.113.7',
      { publicAddresses: ['203.0.113.8/32'], known: ['203.0.113.0/24', '203.0.0.0/16'] },
      'in 203.0.113.0/24',
    ],
    [
      'tells that of an IPv4-mapped address as the IPv4 network it is',
      '::ffff:203.0.113.7',
      { known: ['203.0.113.0/24'] },
      'in 203.0.113.0/24',
    ],
    ['tells a known IPv6 network', '2001:db8::7', { known: ['2001:db8::/32'] }, 'in 2001:db8::/32'],
    [
      'tells a known network although external addresses are asked for',
      '203.0.113.7',
      { known: ['203.0.113.0/24'], externalEgress: true },
      'in 203.0.113.0/24',
    ],
    ['tells an external address when asked to', '203.0.113.7', { externalEgress: true }, 'in 203.0.113.7/32'],
    [
      'tells an external IPv6 address when asked to',
      '2001:db8::7',
      { externalEgress: true },
      'in 2001:db8::7/128',
    ],
    [
      'tells no external address of the other direction',
      '203.0.113.7',
      { externalIngress: true },
      '255.255.255.255',
    ],
    ['makes one of all external addresses', '203.0.113.7', {}, '255.255.255.255'],
    ['makes one of all external IPv6 addresses', '2001:db8::7', {}, ALL_ONES],
    ['makes an external IPv4-mapped address one of them', '::ffff:203.0.113.7', {}, ALL_ONES],
  ];
  for (const [title, remote, around, told] of cases) {
    it(`${title}: ${remote}`, () => {
      const local = remote.includes(':') ? 'fd00::1' : '10.0.0.1';
      const report = normalized(client({ local, remote }), around);
      assert.equal(showConnection(report), `1 client nothing - ${told} :80`);
    });
  }

  it('tells those who connect from outside when asked for ingress', () => {
    const peer = server({ remote: '203.0.113.7' });
    assert.equal(
      showConnection(normalized(peer, { externalIngress: true })),
      '1 server :8080 - in 203.0.113.7/32',
    );
    assert.equal(
      showConnection(normalized(peer, { externalEgress: true })),
      '1 server :8080 - 255.255.255.255',
    );
  });

  it('keeps apart an external address told and one that stands for all', () => {
    const rows = [{ externalEgress: true }, {}].map((around) =>
      linkOf(client({ remote: '255.255.255.255' }), around),
    );
    assert.notDeepEqual(rows[0]!.key, rows[1]!.key);
  });
});

function normalized(socket: Socket, around: Around = {}): ConnectionReport {
  const links = linkOf(socket, around);
  return connectionReport(links, links.put(), undefined);
}

/** A table with the link of one flow as its key. */
function linkOf(socket: Socket, around: Around): SlotTable {
  const records = batch(socketRecord(socket));
  const flows = new SlotTable(Flow.KEY, Flow.WORDS - Flow.KEY, 1, 1);
  const family = recordFamily(records, 0);
  readAddress(records.u32, socketParts.remote(records, 0) >> 2, family, flows.key, Flow.remote);
  readAddress(records.u32, socketParts.local(0) >> 2, family, flows.key, Flow.local, Flow.localRest);
  flows.key[Flow.ports] = records.u32[socket_record.local_port >> 2]!;
  writeOwner(records, 0, flows.key, Flow.container, Flow.tag);
  const slot = flows.put();
  flows.flags[slot] = withFlowRole(flows.flags[slot]!, SocketRole[socket.role ?? 'unknown']);

  const links = new SlotTable(Link.WORDS, 0, 1, 1);
  const networks = (texts: string[] = []) => new Networks(texts.map(parseNetwork));
  normalize(
    flows,
    slot,
    {
      nonAggregated: networks(around.nonAggregated),
      known: networks(around.known),
      publicAddresses: networks(around.publicAddresses),
      externalIngress: around.externalIngress ?? false,
      externalEgress: around.externalEgress ?? false,
    },
    links.key,
  );
  return links;
}

import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import fc from 'fast-check';
import { EXTERNAL_IPS } from '../../actors/settings/runtime-config.js';
import { parseNetwork } from '../../actors/connections/address.js';
import { rowsOf } from '../../actors/connections/networks.js';
import { Story, client, server } from './support.js';

const PRIVATE = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fd00::/8',
];
const PEERS = [
  '10.1.2.3',
  '100.64.0.1',
  '100.128.0.1',
  '172.31.0.1',
  '35.127.0.15',
  '35.127.1.15',
  '::ffff:10.1.2.3',
  '::ffff:35.127.0.15',
  'fd00::7',
  '2600:1f18::7',
  '2600:1f19::7',
];
const NETWORKS = [
  '0.0.0.0/1',
  '10.0.0.0/8',
  '10.1.0.0/16',
  '35.0.0.0/8',
  '35.127.0.0/24',
  '2600:1f18::/32',
  'fd00::/16',
];

const some = (values: readonly string[]) => fc.subarray([...values]);
const around = fc.record({
  networks: some(NETWORKS),
  publicIps: some(['35.127.0.15', '35.127.1.15', '2600:1f19::7']),
  nonAggregatedNetworks: some(['35.127.1.0/24', '2600:1f19::/32']),
  externalIps: fc.constantFrom(...EXTERNAL_IPS),
});
type Around = typeof around extends fc.Arbitrary<infer Value> ? Value : never;

describe('any peer, whatever networks there are', () => {
  it('is shown as the specification says', () => {
    fc.assert(
      fc.property(around, fc.constantFrom(...PEERS), fc.boolean(), (all, remote, isServer) => {
        const { networks, publicIps, nonAggregatedNetworks, externalIps } = all;
        const story = new Story({ nonAggregatedNetworks, externalIps });
        const full = publicIps.map((ip) => `${ip}/${ip.includes(':') ? 128 : 32}`);
        story.state.control({
          kind: 'control',
          time: 1,
          networks: rowsOf(networks.map(parseNetwork)),
          publicAddresses: rowsOf(full.map(parseNetwork)),
        });
        const local = remote.includes(':') ? 'fd00::1' : '10.0.0.1';
        story.events((isServer ? server : client)({ time: 2, remote, local }));
        const peer = specifiedPeer(remote, all, isServer);
        assert.deepEqual(story.connections(30), [
          isServer ? `1 server :8080 - ${peer}` : `1 client nothing - ${peer} :80`,
        ]);
      }),
      { numRuns: 3000 },
    );
  });
});

/** §7, Normalise, Address, clause by clause. */
function specifiedPeer(remote: string, all: Around, isServer: boolean): string {
  const { networks, publicIps, nonAggregatedNetworks, externalIps } = all;
  const address = remote.replace('::ffff:', '');
  const isMapped = address !== remote;
  const isV6 = (text: string) => text.includes(':');
  const length = (network: string) => Number(network.split('/')[1]);
  const known = networks.filter((network) => isIn(address, network)).sort((a, b) => length(b) - length(a))[0];
  const withLength = (bits: number) =>
    bits === 0 ? remote : `${remote} in ${remote}/${bits + (isMapped ? 96 : 0)}`;
  const ofKnown = known === undefined ? 0 : length(known);

  const knowsPrivate = networks.some(
    (network) =>
      isV6(network) === isV6(address) && PRIVATE.some((range) => isIn(network.split('/')[0]!, range)),
  );
  if ([...PRIVATE, ...nonAggregatedNetworks].some((range) => isIn(address, range))) {
    return withLength(knowsPrivate ? ofKnown : 0);
  }
  if (publicIps.includes(address)) return withLength(ofKnown);
  if (known !== undefined) return `in ${known}`;
  const isTold = externalIps === 'both' || externalIps === (isServer ? 'ingress' : 'egress');
  if (isTold) return `in ${remote}/${isV6(remote) ? 128 : 32}`;
  return isV6(remote) ? 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' : '255.255.255.255';
}

function isIn(address: string, network: string): boolean {
  const family = (text: string) => (text.includes(':') ? 'ipv6' : 'ipv4');
  if (family(address) !== family(network)) return false;
  const [base = '', bits] = network.split('/');
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family(base));
  return list.check(address, family(address));
}

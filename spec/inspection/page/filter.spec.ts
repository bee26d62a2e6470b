import assert from 'node:assert/strict';
import {
  EVENT_KEYS,
  Filter,
  type ContainerFields,
  type RowFields,
} from '../../../actors/inspection/page/filter.js';

const CHECKOUT: ContainerFields & RowFields = {
  container: '01e8c0454972',
  namespace: 'payments',
  pod: 'checkout-7d9f',
  name: 'api',
  image: 'registry.example/checkout:1.25',
  process: '/usr/sbin/nginx',
  args: '-g daemon off;',
  pid: 4711,
  protocol: 'tcp',
  local: '10.0.0.5',
  localPort: 443,
  remote: 'fd00::1',
  remotePort: 40_000,
  kind: 'connect',
};

function matches(text: string, row = CHECKOUT): boolean {
  return Filter.parse(text, EVENT_KEYS).matches(row);
}

describe('The filter of the inspection page', () => {
  const right = [
    '',
    '   ',
    'nginx',
    'NGINX',
    'daemon',
    '"daemon off"',
    '4711',
    '443',
    'registry.example/checkout:1.25',
    'namespace:pay',
    'ns:=payments',
    'pod:other,checkout',
    'container:01e8',
    'container:api',
    'process:"/usr/sbin/nginx"',
    'pid:4000-5000',
    'port:443',
    'port:1,40000',
    'port:39999-40001',
    'address:10.0',
    'address:10.0.0.5',
    'address:10.0.0.0/8',
    'address:fd00:',
    'address:fd00:0::1',
    'address:10.0.0.4/31',
    'address:0.0.0.0/0',
    'address:FD00::/8',
    'protocol:tcp',
    'kind:conn',
    'kind:',
    '-kind:exec',
    '-pod:other nginx port:443',
  ];
  for (const text of right) it(`matches with "${text}"`, () => assert.equal(matches(text), true));

  const wrong = [
    'apache',
    '44',
    'ns:=pay',
    'container:8c04',
    'process:daemon',
    'port:44',
    'address:10.0.0.50',
    'address:11.0.0.0/8',
    'address:10.0.0.6/31',
    'address:fd00::2',
    'protocol:udp',
    '-nginx',
    '-namespace:payments',
    'nginx port:80',
  ];
  for (const text of wrong) it(`does not match with "${text}"`, () => assert.equal(matches(text), false));

  it('lets no word match an absent field, and its negation match', () => {
    const row = { container: '', namespace: '', pod: '', name: '' };
    for (const text of ['port:1', 'pid:1', 'address:0.0.0.0/0', 'process:x', 'kind:exec']) {
      assert.equal(matches(text, row), false, text);
      assert.equal(matches(`-${text}`, row), true, text);
    }
  });

  it('knows the host by its name', () => {
    assert.equal(matches('container:host', { container: '', namespace: '', pod: '', name: '' }), true);
    assert.equal(matches('container:host'), false);
  });

  it('says which words are in doubt, and takes an address for text without a doubt', () => {
    const problems = (text: string) => Filter.parse(text).problems;
    assert.match(problems('port:https')[0]!, /wants a number/);
    assert.match(problems('pid:x')[0]!, /wants a number/);
    assert.match(problems('address:10.0/8')[0]!, /is no network/);
    assert.match(problems('address:10.0.0.0/33')[0]!, /at most 32 bits/);
    assert.match(problems('namspace:x')[0]!, /is no key here/);
    assert.match(problems('kind:exec')[0]!, /is no key here/);
    assert.deepEqual(problems('fd00::1 dead:beef http://x pod: address:10.'), []);
  });

  it('decides by the container first, and leaves the rest to its rows', () => {
    const filter = Filter.parse('pod:checkout port:443');
    const words = filter.within(CHECKOUT)!;
    assert.deepEqual([words.isEmpty, words.matchesContainer], [false, false]);
    assert.deepEqual([words.matchesRow({ port: 443 }), words.matchesRow({ port: 80 })], [true, false]);
    assert.equal(filter.within({ ...CHECKOUT, pod: 'other' }), undefined);
    assert.equal(Filter.parse('checkout').within(CHECKOUT)!.isEmpty, true);
    assert.equal(Filter.parse('-port:80').within(CHECKOUT)!.matchesContainer, true);
  });
});

import assert from 'node:assert/strict';
import { filterFields, parseFilter, type FilterField } from '../../actors/inspection/filter.js';

const all = Object.keys(filterFields) as FilterField[];
const row = {
  container: '0123456789ab',
  namespace: 'shop',
  pod: 'web-1',
  name: 'nginx',
  process: '/usr/bin/nginx',
  args: '-g daemon off',
  uid: 33,
  local: '10.0.0.1',
  localPort: 40_000,
  remote: 'fd00::1',
  remotePort: 443,
  kind: 'exec',
} as const;

describe('A filter', () => {
  const matching = [
    '',
    'pod=web-*',
    'pod=db&pod=web-1',
    'not-pod=db-*',
    'namespace=shop&container=nginx',
    'container=0123',
    `container=0123456789ab${'0'.repeat(52)}`,
    'process=nginx',
    'process=*/bin/*x',
    'args=daemon',
    'args=-g*off',
    'user=33',
    'port=443',
    'port=400-500',
    'address=10.0.0.0/8',
    'address=fd00::1',
    'event=exec&not-event=exit',
    'not-host=true',
  ];
  const others = [
    'pod=web',
    'pod=web-1&namespace=bank',
    'not-pod=web-*',
    'container=123',
    'process=bin/nginx',
    'args=Daemon',
    'user=3',
    'port=44',
    'address=10.0.0.2',
    'event=killed',
    'host=true',
    'event=exec&not-container=0123',
  ];
  for (const [queries, expected] of [
    [matching, true],
    [others, false],
  ] as const) {
    it(expected ? 'lets pass what fits' : 'keeps back what does not', () => {
      for (const query of queries) {
        const filter = parseFilter(new URLSearchParams(query), all);
        assert.ok(typeof filter !== 'string', query);
        assert.equal(filter.matches(row), expected, query);
      }
    });
  }

  it('names the value, its place and what is allowed', () => {
    const error = (query: string, known = all): string => {
      const filter = parseFilter(new URLSearchParams(query), known);
      return typeof filter === 'string' ? filter : '';
    };
    assert.match(error('port=80a'), /^--port: '80a' is not allowed \(allowed: a port/);
    assert.match(error('not-address=10.0.0.0/33'), /^--address: '10\.0\.0\.0\/33' is not allowed/);
    assert.match(error('event=exce'), /^--event: 'exce' .*allowed: exec, enter,/);
    assert.match(
      error(Array(33).fill('address=1::').join('&')),
      /^--address: a filter has at most 32 values/,
    );
    // Names that every object has: no event is one.
    for (const name of ['hasOwnProperty', 'constructor', '__proto__'])
      assert.match(error(`event=${name}`), /is not allowed \(allowed: exec/);
    assert.match(error('pod='), /^--pod: '' is not allowed/);
    assert.match(error('port=1', ['pod']), /^--port: there is no such thing .*there are: --pod\)$/);
  });
});

import assert from 'node:assert/strict';
import { viewRoutes, Views, type ViewSources } from '../../actors/inspection/view-routes.js';
import type { WhyQuery } from '../../actors/inspection/why.js';
import { eventually } from '../support/eventually.js';
import { containerNumber, execRecord } from '../support/records.js';
import { resources } from '../support/resources.js';
import { ask, dial, Served } from '../http/support.js';
import { A, events, Node } from './support.js';

describe('The routes of views', () => {
  const keep = resources();
  const asked: unknown[] = [];
  let pieces: () => Iterable<string> | undefined;
  let served: Served;

  before(async () => {
    const sources: ViewSources = {
      node: (container) => {
        asked.push(container);
        return pieces();
      },
      why: (query) => {
        asked.push(query);
        return pieces();
      },
    };
    served = await keep(Served.start(viewRoutes(sources)));
  });

  beforeEach(() => {
    asked.length = 0;
    pieces = () => ['{', '', '}'];
  });

  const container = containerNumber(A);
  const words = Uint32Array.of(0x0a000009, 0, 0, 0);
  const good: readonly (readonly [string, WhyQuery | number | undefined])[] = [
    ['node', undefined],
    [`node?container=${A}`, container],
    ['node?container=', 0],
    [`why?container=${A}`, { of: 'container', container }],
    ['why?container=', { of: 'container', container: 0 }],
    [`why?container=${A}&protocol=udp&port=53`, { of: 'endpoint', container, protocol: 17, port: 53 }],
    [
      `why?container=${A}&protocol=tcp&remote=10.0.0.9&remotePort=80`,
      { of: 'connection', container, protocol: 6, remote: { family: 2, words }, remotePort: 80 },
    ],
    [
      `why?container=${A}&local=10.0.0.9&localPort=0`,
      { of: 'connection', container, local: { family: 2, words }, localPort: 0 },
    ],
  ];
  for (const [target, expected] of good)
    it(`pass on /inspect/${target}`, async () => {
      const { status, text, headers } = await served.ask(`/inspect/${target}`);
      assert.deepEqual([status, text, asked], [200, '{}', [expected]]);
      assert.match(headers.get('content-type')!, /^application\/json/);
    });

  const bad: readonly (readonly [string, RegExp])[] = [
    ['node?container=x', /container: 'x' is no container id \(allowed: /],
    ['node?pod=web', /'pod' is no parameter here \(allowed: container\)/],
    [`node?container=${A}&container=${A}`, /container: given more than once/],
    ['why', /container: missing \(allowed: /],
    ['why?container=abc', /container: 'abc' is no container id/],
    [`why?container=${A}&protocol=icmp&port=1`, /protocol: 'icmp' is not allowed \(allowed: tcp or udp\)/],
    [`why?container=${A}&protocol=tcp`, /protocol: not allowed alone \(allowed: /],
    [`why?container=${A}&port=80`, /protocol: missing beside port \(allowed: /],
    [
      `why?container=${A}&protocol=tcp&port=65536`,
      /port: '65536' is not allowed \(allowed: a port, 0 to 65535\)/,
    ],
    [`why?container=${A}&protocol=tcp&port=`, /port: '' is not allowed/],
    [`why?container=${A}&protocol=tcp&port=80&remote=::1`, /remote: not allowed with port/],
    [
      `why?container=${A}&remote=example.org`,
      /remote: 'example.org' is not allowed \(allowed: an IPv4 or IPv6/,
    ],
    [`why?container=${A}&local=fe80::1%25eth0`, /local: 'fe80::1%eth0' is not allowed/],
    [`why?container=${A}&remotePort=-1`, /remotePort: '-1' is not allowed/],
    [`why?container=${A}&process=nginx`, /'process' is no parameter here/],
  ];
  for (const [target, message] of bad)
    it(`refuse /inspect/${target}`, async () => {
      const { status, text } = await served.ask(`/inspect/${target}`);
      assert.equal(status, 400);
      assert.match((JSON.parse(text) as { error: string }).error, message);
      assert.deepEqual(asked, []);
    });

  it('say so while nothing is collected', async () => {
    pieces = () => undefined;
    for (const target of ['node', `why?container=${A}`])
      assert.equal((await served.ask(`/inspect/${target}`)).status, 503);
  });

  it('show one node at a time, and answer questions meanwhile', async () => {
    let open = true;
    pieces = function* () {
      while (open) yield 'x'.repeat(1000);
    };
    const socket = await dial(served.address);
    socket.write('GET /inspect/node HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => asked.length > 0, 'it has begun');
    pieces = () => ['{}'];
    assert.equal((await ask(served.address, '/inspect/node')).status, 503);
    assert.equal((await ask(served.address, `/inspect/why?container=${A}`)).status, 200);
    socket.destroy();
    open = false;
    await eventually(
      async () => (await ask(served.address, '/inspect/node')).status === 200,
      'whoever left makes room',
    );
  });

  it('show the states of a run once they are offered', async () => {
    const views = new Views();
    const own = await keep(Served.start(viewRoutes(views)));
    assert.equal((await own.ask('/inspect/node')).status, 503);
    views.offer(new Node().fold(events(1, execRecord({ container: A, pid: 7, path: '/bin/sh' }))));
    const node = JSON.parse((await own.ask('/inspect/node')).text) as { processes: { pid: number }[] };
    assert.deepEqual(
      node.processes.map(({ pid }) => pid),
      [7],
    );
    const why = JSON.parse((await own.ask(`/inspect/why?container=${A}`)).text) as { verdict: string };
    assert.equal(why.verdict, 'reported');
  });
});

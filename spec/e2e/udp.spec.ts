import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import { history } from '../support/history.js';
import { client, endpoint, overUdp, server } from '../support/messages.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { workload } from '../support/workload.js';

/** Every change is reported, every second. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
const TICK_MS = 1000;

describe('The daemon, on connected UDP sockets', function () {
  this.timeout(30_000);
  const keep = resources();
  let caller: Container;
  let host: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    collector = await keep(Collector.start([], { env }));
  });

  const peers = [
    { name: 'IPv4', to: WIRE.v4[1], port: 5301 },
    { name: 'IPv6', to: WIRE.v6[1], port: 5302 },
    { name: 'IPv4 by a socket of IPv6', to: `::ffff:${WIRE.v4[1]}`, port: 5303 },
  ];
  for (const { name, to, port } of peers) {
    it(`reports one over ${name} as open until its process ends`, async () => {
      const job = await caller.start('udp-connect', to, String(port));
      await job.said('connected');
      const outgoing = overUdp(client(caller.shortId, to, port));
      assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
      await sleep(2 * TICK_MS);
      assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
      await caller.stop(job);
      assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    });

    it(`reports one over ${name} that came and went between two reports, once and closed`, async () => {
      const brief = port + 100;
      await caller.run('udp-send', '1', to, String(brief));
      const outgoing = overUdp(client(caller.shortId, to, brief));
      assert.deepEqual((await history(collector, outgoing, 'closed')).at(-1), 'closed');
    });
  }

  it('takes the side that connected for the client, whatever the ports', async () => {
    const job = await host.start('udp-connect', WIRE.v4[0], '61000', '514');
    await job.said('connected');
    const outgoing = overUdp(client(host.shortId, WIRE.v4[0], 61000));
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    await host.stop(job);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
  });

  for (const { name, to, port } of peers) {
    it(`reports nothing of sockets that are only asked for their address over ${name}`, async () => {
      const unused = port + 200;
      const job = await caller.start('udp-look-up', to, String(unused));
      await job.said('asked');
      await sleep(2 * TICK_MS);
      await caller.stop(job);
      // Not one that ends after it is missing, so all before it would be there.
      await caller.run('udp-send', '1', to, String(port + 300));
      await history(collector, overUdp(client(caller.shortId, to, port + 300)), 'closed');
      const ports = collector.connections(caller.shortId).map(({ remoteAddress }) => remoteAddress.port);
      assert.ok(!ports.includes(unused), ports.join());
    });

    it(`reports one over ${name} that was taken apart before it ended`, async () => {
      const hidden = port + 400;
      await caller.run('udp-hide', to, String(hidden));
      const outgoing = overUdp(client(caller.shortId, to, hidden));
      assert.equal((await history(collector, outgoing, 'closed')).at(-1), 'closed');
    });
  }

  it('reports both peers of a socket that is connected anew', async () => {
    await caller.run('udp-again', WIRE.v4[1], '5311', '5312');
    for (const port of [5311, 5312]) {
      const outgoing = overUdp(client(caller.shortId, WIRE.v4[1], port));
      assert.equal((await history(collector, outgoing, 'closed')).at(-1), 'closed');
    }
  });

  it('reports one whose socket has no memory left for options, as open and closed', async () => {
    const job = await caller.start('crammed', 'udp-connect', WIRE.v4[1], '5331');
    await job.said('connected');
    const outgoing = overUdp(client(caller.shortId, WIRE.v4[1], 5331));
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    await caller.stop(job);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    await caller.run('crammed', 'udp-send', '1', WIRE.v4[1], '5332');
    const brief = overUdp(client(caller.shortId, WIRE.v4[1], 5332));
    assert.equal((await history(collector, brief, 'closed')).at(-1), 'closed');
  });

  it('reports none with a peer on the loopback, none to port 0, and none whose connect() failed', async () => {
    // There is no way to this network from the container.
    await assert.rejects(caller.run('udp-send', '1', '192.0.2.1', '5321'));
    await caller.run('udp-send', '1', '127.0.0.1', '5322');
    await caller.run('udp-send', '1', WIRE.v4[1], '0');
    await caller.run('udp-send', '1', WIRE.v4[1], '5323');
    await history(collector, overUdp(client(caller.shortId, WIRE.v4[1], 5323)), 'closed');
    const ports = collector.connections(caller.shortId).map(({ remoteAddress }) => remoteAddress.port);
    for (const port of [0, 5321, 5322]) assert.ok(!ports.includes(port), ports.join());
  });
});

describe('The daemon, where it cannot see the root of cgroup2', function () {
  this.timeout(30_000);
  const keep = resources();

  it('says so and what to do, and goes on: UDP by scans, TCP by events', async function () {
    requires(this, isRoot, 'no root');
    const [caller, host] = await pair(keep);
    const through = ['unshare', '--mount', 'sh', '-c', 'umount -a -t cgroup2; exec "$@"', 'sh'];
    const collector = await keep(Collector.start([], { env, through }));
    assert.match(collector.stderr, /WARNING.*cgroup2 hierarchy.*seen by scans only.*COLLECTOR_HOST_ROOT/);
    const job = await caller.start('udp-connect', WIRE.v4[1], '5331');
    await job.said('connected');
    await history(collector, overUdp(client(caller.shortId, WIRE.v4[1], 5331)), 'open');
    await host.start('serve', WIRE.v4[1], '1');
    await collector.shows(
      () => 'a port that is listened on',
      () => collector.endpoints(host.shortId).length === 1,
    );
  });
});

describe('The daemon, on UDP sockets that are not connected', function () {
  this.timeout(60_000);
  const keep = resources();
  let caller: Container;
  let host: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
  });

  const ways = [
    { name: 'IPv4', at: WIRE.v4[1], to: WIRE.v4[1], from: WIRE.v4[0] },
    { name: 'IPv6', at: WIRE.v6[1], to: WIRE.v6[1], from: WIRE.v6[0] },
    {
      name: 'IPv4 by sockets of IPv6',
      at: '::',
      to: `::ffff:${WIRE.v4[1]}`,
      from: `::ffff:${WIRE.v4[0]}`,
    },
  ];

  it('reports both sides of what is sent and received, if asked to', async () => {
    const collector = await keep(
      Collector.start([], { env: { ...env, ROX_COLLECTOR_TRACK_SEND_RECV: 'true' } }),
    );
    for (const [index, { at, to, from }] of ways.entries()) {
      const port = 541 + index;
      const job = await host.start('udp-receive', at, String(port));
      await job.said('bound');
      await caller.run('udp-send-to', '3', to, String(port));
      await job.said('received');
      await history(collector, overUdp(client(caller.shortId, to, port)), 'closed');
      await history(collector, overUdp(server(host.shortId, port, from)), 'closed');
      await host.stop(job);
    }
    await collector.stop();
  });

  it('takes the side that received first for the server, whatever the ports, also when it connects', async () => {
    const collector = await keep(
      Collector.start([], { env: { ...env, ROX_COLLECTOR_TRACK_SEND_RECV: 'true' } }),
    );
    const job = await host.start('udp-answer', WIRE.v4[1], '51820');
    await job.said('bound');
    const peer = await caller.start('udp-connect', WIRE.v4[1], '51820', '40000');
    await job.said('answered');
    const incoming = overUdp(server(host.shortId, 51820, WIRE.v4[0]));
    const outgoing = overUdp(client(caller.shortId, WIRE.v4[1], 51820));
    assert.equal((await history(collector, incoming, 'open')).at(-1), 'open');
    assert.equal((await history(collector, outgoing, 'open')).at(-1), 'open');
    await host.stop(job);
    await caller.stop(peer);
    await history(collector, incoming, 'closed');
    for (const { shortId, role } of [
      { shortId: host.shortId, role: 'ROLE_SERVER' },
      { shortId: caller.shortId, role: 'ROLE_CLIENT' },
    ])
      assert.deepEqual(new Set(collector.connections(shortId).map((report) => report.role)), new Set([role]));
    await collector.stop();
  });

  it('takes older sockets for clients where the kernel chose the port', async () => {
    const job = await caller.start('udp-connect', WIRE.v4[1], '61001');
    await job.said('connected');
    const collector = await keep(Collector.start([], { env }));
    const outgoing = overUdp(client(caller.shortId, WIRE.v4[1], 61001));
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    await caller.stop(job);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    await collector.stop();
  });

  it('keeps one that goes on open through the afterglow', async () => {
    const afterglow = { ROX_ENABLE_AFTERGLOW: 'true', ROX_AFTERGLOW_PERIOD: '3' };
    const collector = await keep(
      Collector.start([], { env: { ...env, ...afterglow, ROX_COLLECTOR_TRACK_SEND_RECV: 'true' } }),
    );
    const outgoing = overUdp(client(caller.shortId, WIRE.v4[1], 551));
    for (let i = 0; i < 4; i++) {
      await caller.run('udp-send-to', '1', WIRE.v4[1], '551');
      await sleep(TICK_MS);
      assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    }
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    await collector.stop();
  });

  it('tells of a million datagrams in a handful of records', async () => {
    const collector = await keep(Collector.start([], { env: { ROX_COLLECTOR_TRACK_SEND_RECV: 'true' } }));
    await caller.run('udp-send-to', '1000000', WIRE.v4[1], '552');
    await collector.stop();
    const [, records] = /Kernel events:.* udp (\d+)/.exec(collector.stderr) ?? [];
    assert.ok(Number(records) >= 1 && Number(records) <= 10, collector.stderr);
    const last = collector
      .connections(caller.shortId)
      .find(({ remoteAddress }) => remoteAddress.port === 552);
    assert.ok(last !== undefined, collector.stderr);
  });

  it('reports the ports that they are bound to, if asked to', async () => {
    const collector = await keep(
      Collector.start([], { env: { ...env, ROX_COLLECTOR_UDP_LISTENERS: 'true' } }),
    );
    const job = await host.start('exec', workload(), 'udp-receive', '0.0.0.0', '561');
    await job.said('bound');
    await collector.shows(
      () => 'port 561',
      () => collector.endpoints(host.shortId).length > 0,
    );
    const [report] = collector.endpoints(host.shortId);
    const port = { ...endpoint(host.shortId, 'IPV4', 561, report!.originator), protocol: 'L4_PROTOCOL_UDP' };
    assert.equal(report!.originator?.processName, 'workload');
    assert.deepEqual(await history(collector, port, 'open'), ['open']);
    await host.stop(job);
    assert.deepEqual(await history(collector, port, 'closed'), ['open', 'closed']);
    await collector.stop();
  });

  it('reports no port that they are bound to unless asked to', async () => {
    const collector = await keep(Collector.start([], { env }));
    const job = await host.start('udp-receive', '0.0.0.0', '562');
    await job.said('bound');
    const connected = await caller.start('udp-connect', WIRE.v4[1], '563');
    await connected.said('connected');
    await history(collector, overUdp(client(caller.shortId, WIRE.v4[1], 563)), 'open');
    assert.deepEqual(collector.endpoints(host.shortId), []);
    await host.stop(job);
    await caller.stop(connected);
    await collector.stop();
  });

  it('reports no peer unless asked to', async () => {
    const collector = await keep(Collector.start([], { env }));
    await caller.run('udp-send-to', '1', WIRE.v4[1], '553');
    await caller.run('udp-send', '1', WIRE.v4[1], '554');
    await history(collector, overUdp(client(caller.shortId, WIRE.v4[1], 554)), 'closed');
    const ports = collector.connections(caller.shortId).map(({ remoteAddress }) => remoteAddress.port);
    assert.ok(!ports.includes(553), ports.join());
    await collector.stop();
  });
});

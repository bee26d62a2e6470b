import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { Container, type Job, WIRE } from '../support/container.js';
import { history } from '../support/history.js';
import { client, endpoint, server } from '../support/messages.js';
import { connected, listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { workload } from '../support/workload.js';

/** Every change is reported, every second. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
const TICK_MS = 1000;

describe('The daemon, on connections between containers', function () {
  this.timeout(30_000);
  const keep = resources();
  /** Of the two, this one connects to the other, which listens. */
  let caller: Container;
  let host: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    collector = await keep(Collector.start([], { env }));
  });

  const families = [
    { name: 'IPv4', listen: WIRE.v4[1], to: WIRE.v4[1], from: WIRE.v4[0] },
    { name: 'IPv6', listen: WIRE.v6[1], to: WIRE.v6[1], from: WIRE.v6[0] },
    { name: 'IPv4 to a socket of IPv6', listen: '::', to: WIRE.v4[1], from: `::ffff:${WIRE.v4[0]}` },
  ];
  for (const { name, listen, to, from } of families) {
    it(`reports both sides of one over ${name} with their roles, open and then closed`, async () => {
      const [, port] = await listening(host, 'serve', listen, '1');
      const call = await connected(caller, to, port);
      const outgoing = client(caller.shortId, to, port);
      const incoming = server(host.shortId, port, from);
      assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
      assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
      await caller.stop(call);
      assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
      assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
    });
  }

  it('reports one that came and went between two reports, once and closed', async () => {
    const [, port] = await listening(host, 'serve', WIRE.v4[1], '1');
    await caller.run('connections', '1', WIRE.v4[1], String(port));
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['closed']);
  });

  it('reports what a socket accepts that has no memory left for options', async () => {
    const [, port] = await listening(host, 'crammed', 'serve', WIRE.v4[1], '1');
    await caller.run('connections', '1', WIRE.v4[1], String(port));
    assert.deepEqual(await history(collector, server(host.shortId, port, WIRE.v4[0]), 'closed'), ['closed']);
  });

  it('reports one that a child of the listening process accepts', async () => {
    const [, port] = await listening(host, 'serve-forked', WIRE.v4[1]);
    const call = await connected(caller, WIRE.v4[1], port);
    const incoming = server(host.shortId, port, WIRE.v4[0]);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
  });

  it('reports one as open until it ends, although the process that accepted it has handed it over', async () => {
    const [job, port] = await listening(host, 'serve-handed', WIRE.v4[1]);
    const call = await connected(caller, WIRE.v4[1], port);
    const incoming = server(host.shortId, port, WIRE.v4[0]);
    await job.said('handed over');
    await history(collector, incoming, 'open');
    await sleep(2 * TICK_MS);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
  });

  it('reports one as open on both sides while only one half of it is closed', async () => {
    const [job, port] = await listening(host, 'serve-on', WIRE.v4[1]);
    const call = await caller.start('connect-half', WIRE.v4[1], String(port));
    await job.said('half closed');
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    const incoming = server(host.shortId, port, WIRE.v4[0]);
    await history(collector, incoming, 'open');
    await sleep(2 * TICK_MS);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await host.stop(job);
    await call.said('ended');
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
  });

  it('reports one of Multipath TCP as open until it ends, and its port too', async function () {
    requires(this, existsSync('/proc/sys/net/mptcp/enabled'), 'the kernel has no Multipath TCP');
    const [, port] = await listening(host, 'serve-multipath', WIRE.v4[1], '1');
    const call = await caller.start('connect-multipath', WIRE.v4[1], String(port));
    await call.said('connected');
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    const incoming = server(host.shortId, port, WIRE.v4[0]);
    await history(collector, incoming, 'open');
    await sleep(2 * TICK_MS);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
  });

  it('reports none with a peer on the loopback, and so none twice', async () => {
    for (const loopback of ['127.0.0.1', '::1']) {
      const [, port] = await listening(host, 'serve', loopback, '10');
      await host.run('connections', '10', loopback, String(port));
      // The other way in is reported, by a tick that comes after all of these.
      const [, open] = await listening(host, 'serve', WIRE.v4[1], '1');
      await caller.run('connections', '1', WIRE.v4[1], String(open));
      await history(collector, server(host.shortId, open, WIRE.v4[0]), 'closed');
      const ports = collector
        .connections(host.shortId)
        .flatMap(({ localAddress, remoteAddress }) => [localAddress?.port, remoteAddress.port]);
      assert.ok(ports.includes(open));
      assert.ok(!ports.includes(port), `${loopback} was reported`);
    }
  });

  it('reports nothing of one that is refused', async () => {
    const [refused, port] = await listening(host, 'serve', WIRE.v4[1], '1');
    await host.stop(refused);
    assert.deepEqual(await caller.run('connections', '1', WIRE.v4[1], String(port)), ['connections 0']);
    const [, open] = await listening(host, 'serve', WIRE.v4[1], '1');
    await caller.run('connections', '1', WIRE.v4[1], String(open));
    await history(collector, client(caller.shortId, WIRE.v4[1], open), 'closed');
    const ports = collector.connections(caller.shortId).map(({ remoteAddress }) => remoteAddress.port);
    assert.ok(!ports.includes(port));
  });
});

describe('The daemon, on ports that containers listen on', function () {
  this.timeout(30_000);
  const keep = resources();
  let container: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
    collector = await keep(Collector.start([], { env }));
  });

  for (const [family, address] of [
    ['IPV4', '0.0.0.0'],
    ['IPV6', '::'],
  ] as const) {
    it(`reports one of ${family} with the process that listens, until it listens no more`, async () => {
      const [job, port] = await listening(container, 'exec', workload(), 'serve', address, '1');
      const originator = {
        processName: 'workload',
        processExecFilePath: workload(),
        processArgs: `serve ${address} 1`,
      };
      const expected = endpoint(container.shortId, family, port, originator);
      assert.deepEqual(await history(collector, expected, 'open'), ['open']);
      await container.stop(job);
      assert.deepEqual(await history(collector, expected, 'closed'), ['open', 'closed']);
    });
  }

  it('reports one whose process has forked since its exec, as that of the program that it runs', async () => {
    const [job, port] = await listening(container, 'serve', '0.0.0.0', '1');
    const originator = {
      processName: 'workload',
      processExecFilePath: workload(),
      processArgs: `container ${container.procs}`,
    };
    const expected = endpoint(container.shortId, 'IPV4', port, originator);
    assert.deepEqual(await history(collector, expected, 'open'), ['open']);
    await container.stop(job);
    assert.deepEqual(await history(collector, expected, 'closed'), ['open', 'closed']);
  });
});

describe('The daemon, on what was connected and listened on before it', function () {
  this.timeout(30_000);
  const keep = resources();
  let caller: Container;
  let host: Container;
  let collector: Collector;
  let listener: Job;
  let call: Job;
  let port: number;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    // The client's role is told from the ports, so the server's has to look like one.
    [listener, port] = await listening(host, 'exec', workload(), 'serve', WIRE.v4[1], '2', '8080');
    call = await connected(caller, WIRE.v4[1], port);
    collector = await keep(Collector.start([], { env }));
  });

  it('reports both sides of a connection with their roles, open and then closed', async () => {
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    const incoming = server(host.shortId, port, WIRE.v4[0]);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
  });

  it('reports a port with the process that listens, until it listens no more', async () => {
    const originator = {
      processName: 'workload',
      processExecFilePath: workload(),
      processArgs: `serve ${WIRE.v4[1]} 2 8080`,
    };
    const expected = endpoint(host.shortId, 'IPV4', port, originator);
    assert.deepEqual(await history(collector, expected, 'open'), ['open']);
    await host.stop(listener);
    assert.deepEqual(await history(collector, expected, 'closed'), ['open', 'closed']);
  });
});

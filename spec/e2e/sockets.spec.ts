import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import { history } from '../support/history.js';
import { client, endpoint, server } from '../support/messages.js';
import { connected, listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { workload } from '../support/workload.js';

/** Every change is reported, every second. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
const TICK_MS = 1000;
/** Nobody ever hears what is sent to it. */
const SILENT = 7777;

describe('The daemon, on the ways to use a socket', function () {
  this.timeout(30_000);
  const keep = resources();
  /** Of the two, this one connects to the other, which listens. */
  let caller: Container;
  let host: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    execFileSync('nsenter', [`--net=/proc/${host.pid}/ns/net`, 'nft', '-f', '-'], {
      input: `table inet silence { chain in { type filter hook input priority 0; tcp dport ${SILENT} drop; }; }`,
    });
    collector = await keep(Collector.start([], { env }));
  });

  /** Each side of a connection to the host. */
  function sides(port: number): [ReturnType<typeof client>, ReturnType<typeof server>] {
    return [client(caller.shortId, WIRE.v4[1], port), server(host.shortId, port, WIRE.v4[0])];
  }

  async function reports(port: number, state: 'open' | 'closed', all: string[]): Promise<void> {
    for (const side of sides(port)) assert.deepEqual(await history(collector, side, state), all);
  }

  /** A tick has passed, and all that came before it was reported. */
  async function tick(): Promise<void> {
    const [, port] = await listening(host, 'serve', WIRE.v4[1], '1');
    await caller.run('connections', '1', WIRE.v4[1], String(port));
    await reports(port, 'closed', ['closed']);
  }

  function isReported(port: number): boolean {
    const connections = [...collector.connections(caller.shortId), ...collector.connections(host.shortId)];
    return connections.some(
      ({ localAddress, remoteAddress }) => localAddress?.port === port || remoteAddress.port === port,
    );
  }

  it('reports one that connects without waiting, once it is established', async () => {
    const [, port] = await listening(host, 'serve', WIRE.v4[1], '1');
    const call = await caller.start('connect-async', WIRE.v4[1], String(port));
    await call.said('connected');
    await reports(port, 'open', ['open']);
    await caller.stop(call);
    await reports(port, 'closed', ['open', 'closed']);
  });

  it('reports nothing of one that connects without waiting and is refused', async () => {
    const [refused, port] = await listening(host, 'serve', WIRE.v4[1], '1');
    await host.stop(refused);
    const call = await caller.start('connect-async', WIRE.v4[1], String(port));
    assert.equal(await call.said('failed'), 'Connection refused');
    await tick();
    assert.ok(!isReported(port));
  });

  for (const job of ['connect', 'connect-async']) {
    it(`reports nothing of one that never gets an answer, by ${job}, while it waits and when it is given up`, async () => {
      const [silent] = await listening(host, 'serve', WIRE.v4[1], '1', String(SILENT));
      const call = await caller.start(job, WIRE.v4[1], String(SILENT));
      // Scans see it as it waits.
      await sleep(2 * TICK_MS);
      await tick();
      assert.deepEqual(call.lines, job === 'connect' ? [] : ['pending']);
      assert.ok(!isReported(SILENT));
      await caller.stop(call);
      await host.stop(silent);
      await tick();
      assert.ok(!isReported(SILENT));
    });
  }

  it('reports one as open until it ends, although it was passed over a Unix socket', async () => {
    const [job, port] = await listening(host, 'serve-passed', WIRE.v4[1]);
    const call = await connected(caller, WIRE.v4[1], port);
    await job.said('passed on');
    await reports(port, 'open', ['open']);
    await sleep(2 * TICK_MS);
    await reports(port, 'open', ['open']);
    await caller.stop(call);
    await reports(port, 'closed', ['open', 'closed']);
  });

  it('reports one as open while a child holds it that the process which connected has forked', async () => {
    const [, port] = await listening(host, 'serve', WIRE.v4[1], '1');
    const call = await caller.start('connect-forked', WIRE.v4[1], String(port));
    await call.said('closed here');
    await reports(port, 'open', ['open']);
    await sleep(2 * TICK_MS);
    await reports(port, 'open', ['open']);
    await caller.stop(call);
    await reports(port, 'closed', ['open', 'closed']);
  });

  const listeners = [
    { what: 'any address', address: '0.0.0.0', family: 'IPV4', reached: [WIRE.v4] },
    { what: 'one address', address: WIRE.v4[1], family: 'IPV4', reached: [WIRE.v4] },
    { what: 'one address of IPv6', address: WIRE.v6[1], family: 'IPV6', reached: [WIRE.v6] },
    { what: 'any address of both families', address: '::', family: 'IPV6', reached: [WIRE.v4, WIRE.v6] },
  ] as const;
  for (const { what, address, family, reached } of listeners) {
    it(`reports a port on ${what} once, without the address, and who connects to it`, async () => {
      const [job, port] = await listening(host, 'exec', workload(), 'serve-all', address);
      const originator = {
        processName: 'workload',
        processExecFilePath: workload(),
        processArgs: `serve-all ${address}`,
      };
      const expected = endpoint(host.shortId, family, port, originator);
      assert.deepEqual(await history(collector, expected, 'open'), ['open']);
      for (const [, to] of reached) await connected(caller, to, port);
      const peers = reached.map(([from]) =>
        address === '::' && !from.includes(':') ? `::ffff:${from}` : from,
      );
      const wanted = peers.map((peer) => server(host.shortId, port, peer));
      const shown = () =>
        collector.connections(host.shortId).filter(({ localAddress }) => localAddress?.port === port);
      await collector.shows(
        () => `${wanted.length} connections to ${port}, among ${JSON.stringify(shown())}`,
        () => shown().length >= wanted.length,
      );
      assert.deepEqual(shown().map(words).sort(), wanted.map(words).sort());
      await host.stop(job);
      assert.deepEqual(await history(collector, expected, 'closed'), ['open', 'closed']);
    });
  }

  it('reports a port that two sockets share once, until both are gone', async () => {
    const [one, port] = await listening(host, 'serve-shared', WIRE.v4[1], '9');
    const [other] = await listening(host, 'serve-shared', WIRE.v4[1], '9', String(port));
    const expected = endpoint(host.shortId, 'IPV4', port, {
      processName: 'workload',
      processExecFilePath: workload(),
      processArgs: `container ${host.procs}`,
    });
    assert.deepEqual(await history(collector, expected, 'open'), ['open']);
    await host.stop(one);
    await tick();
    assert.deepEqual(await history(collector, expected, 'open'), ['open']);
    await host.stop(other);
    assert.deepEqual(await history(collector, expected, 'closed'), ['open', 'closed']);
  });
});

describe('The daemon, on a service at an ephemeral port that was there before it', function () {
  this.timeout(30_000);
  const keep = resources();

  /** In the range that Linux takes clients' ports from, so that ports alone do not tell who is who. */
  const EPHEMERAL = '40123';

  it('tells the server by what it listens on', async function () {
    requires(this, isRoot, 'no root');
    const [caller, host] = await pair(keep);
    await listening(host, 'serve', '0.0.0.0', '1', EPHEMERAL);
    const call = await connected(caller, WIRE.v4[1], Number(EPHEMERAL));
    const collector = await keep(Collector.start([], { env }));
    const incoming = server(host.shortId, Number(EPHEMERAL), WIRE.v4[0]);
    const outgoing = client(caller.shortId, WIRE.v4[1], Number(EPHEMERAL));
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
  });
});

describe('The daemon, on a client that was there before it', function () {
  this.timeout(30_000);
  const keep = resources();
  /** gRPC's, in the range of IANA's dynamic ports: most ports that Linux chooses for clients look less ephemeral. */
  const SERVICE = '50051';
  const CALLS = 6;

  it('knows it by the port that connect() chose, whatever the ports look like', async function () {
    requires(this, isRoot, 'no root');
    const [caller, host] = await pair(keep);
    await listening(host, 'serve', '0.0.0.0', '1', SERVICE);
    for (let i = 0; i < CALLS; i++) await connected(caller, WIRE.v4[1], Number(SERVICE));
    const collector = await keep(Collector.start([], { env }));
    const outgoing = client(caller.shortId, WIRE.v4[1], Number(SERVICE));
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    assert.deepEqual(collector.connections(caller.shortId).map(words), [words(outgoing)]);
  });
});

function words({ closeTimestamp: _, ...connection }: ReturnType<typeof server>): string {
  return JSON.stringify(connection);
}

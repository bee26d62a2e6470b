import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Collector } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import { history } from '../support/history.js';
import { client } from '../support/messages.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

/** Every change is reported, every second. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };

/** On the wire between the two, where nobody has them. */
const UNANSWERED = ['10.111.0.99', 'fd00:111::99'] as const;

describe('The daemon, on connections that are not established', function () {
  this.timeout(30_000);
  const keep = resources();
  let caller: Container;
  let host: Container;
  let eager: Collector;
  let usual: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    // The kernel believes that somebody is there, and so asks again and again for minutes.
    execFileSync('nsenter', [`--net=/proc/${caller.pid}/ns/net`, 'ip', '-batch', '-'], {
      input: UNANSWERED.map((address) => `neigh add ${address} lladdr 02:00:00:00:00:99 dev eth0`).join('\n'),
    });
    [eager, usual] = await Promise.all([
      keep(Collector.start([], { env: { ...env, ROX_COLLECT_CONNECTION_STATUS: 'false' } })),
      keep(Collector.start([], { env })),
    ]);
  });

  for (const [at, address] of UNANSWERED.entries()) {
    it(`reports one to ${address}, which never answers, only with ROX_COLLECT_CONNECTION_STATUS=false`, async () => {
      const port = 7100 + at;
      const call = await caller.start('connect', address, String(port));
      const outgoing = client(caller.shortId, address, port);
      assert.deepEqual(await history(eager, outgoing, 'open'), ['open']);
      await caller.stop(call);
      assert.deepEqual(await history(eager, outgoing, 'closed'), ['open', 'closed']);
      await reportsNothingOf(port);
    });
  }

  it('reports one that is refused, as over, only with ROX_COLLECT_CONNECTION_STATUS=false', async () => {
    const serving = await host.start('serve', WIRE.v4[1], '1');
    const port = Number(await serving.said('listening'));
    await host.stop(serving);
    assert.deepEqual(await caller.run('connections', '1', WIRE.v4[1], String(port)), ['connections 0']);
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    assert.deepEqual(await history(eager, outgoing, 'closed'), ['closed']);
    await reportsNothingOf(port);
  });

  it('reports one that succeeds once and as open, whatever the setting', async () => {
    const serving = await host.start('serve', WIRE.v4[1], '1');
    const port = Number(await serving.said('listening'));
    const call = await caller.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    for (const collector of [eager, usual]) {
      assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    }
    await caller.stop(call);
    for (const collector of [eager, usual]) {
      assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    }
  });

  /** Asserts it of the Collector with the usual setting, after a report of something that came later. */
  async function reportsNothingOf(port: number): Promise<void> {
    const serving = await host.start('serve', WIRE.v4[1], '1');
    const later = Number(await serving.said('listening'));
    await caller.run('connections', '1', WIRE.v4[1], String(later));
    await history(usual, client(caller.shortId, WIRE.v4[1], later), 'closed');
    const ports = usual.connections(caller.shortId).map(({ remoteAddress }) => remoteAddress.port);
    assert.ok(ports.includes(later) && !ports.includes(port), ports.join());
  }
});

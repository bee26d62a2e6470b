import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import { connected, listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

/** Every change is reported, every second. */
const env = {
  ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
  ROX_ENABLE_AFTERGLOW: 'false',
  ROX_COLLECTOR_UDP_LISTENERS: 'true',
};
const TICK_MS = 1000;

describe('The daemon, on a port that is listened on', function () {
  this.timeout(60_000);
  const keep = resources();
  let host: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    [, host] = await pair(keep);
  });

  for (const [how, more] of [
    ['by events and scans', {}],
    ['by events alone', { ROX_COLLECTOR_SCRAPE_DISABLED: 'true' }],
  ] as const) {
    it(`for the loopback alone, reports nothing ${how}`, async () => {
      const old = await host.start('serve-all', '127.0.0.1', '7000');
      await old.said('listening');
      const collector = await keep(Collector.start([], { env: { ...env, ...more } }));
      const jobs = [old];
      for (const [address, port] of [
        ['127.0.0.1', '7001'],
        ['::1', '7002'],
        ['::ffff:127.0.0.1', '7003'],
        [WIRE.v4[1], '7004'],
      ] as const)
        jobs.push((await listening(host, 'serve-all', address, port))[0]);
      const udp = await host.start('udp-receive', '127.0.0.1', '7005');
      await udp.said('bound');
      const ports = () => collector.endpoints(host.shortId).map(({ listenAddress }) => listenAddress.port);
      await collector.shows(
        () => `port 7004, and not only ${ports().join()}`,
        () => ports().includes(7004),
      );
      await sleep(TICK_MS);
      for (const job of [...jobs, udp]) await host.stop(job);
      await collector.stop();
      assert.deepEqual([...new Set(ports())], [7004]);
    });
  }
});

describe('The daemon, showing each event', function () {
  this.timeout(60_000);
  const keep = resources();

  it('shows the end of a connection older than itself with its direction', async function () {
    requires(this, isRoot, 'no root');
    const [caller, host] = await pair(keep);
    await listening(host, 'serve', WIRE.v4[1], '1', '7600');
    const call = await connected(caller, WIRE.v4[1], 7600);
    const collector = await keep(
      Collector.start(['--format=compact'], { env: { ROX_COLLECTOR_SCRAPE_INTERVAL: '1' } }),
    );
    await caller.stop(call);
    const closed = (container: Container) =>
      collector.stdout
        .split('\n')
        .find((line) => line.includes(`${container.shortId} `) && /close .*:7600/.test(line));
    await collector.shows(
      () => `the end of it on both sides, and not only: ${collector.stdout}`,
      () => closed(caller) !== undefined && closed(host) !== undefined,
    );
    assert.match(closed(host)!, / 10\.111\.0\.2:7600 ← 10\.111\.0\.1:\d+/);
    assert.match(closed(caller)!, / 10\.111\.0\.1:\d+ → 10\.111\.0\.2:7600/);
    await collector.stop();
  });
});

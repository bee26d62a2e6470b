import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { Container, WIRE } from '../support/container.js';
import { samplesIn } from '../support/exposition.js';
import { connected, listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { scratchFolder, workload } from '../support/workload.js';

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
    // The role is known once a scan has listed both sides.
    for (let known = 0; known < 2;) {
      await sleep(TICK_MS / 10);
      const metrics = await fetch(`http://${collector.address('Metrics')}/metrics`);
      known = samplesIn(await metrics.text()).get('collector_table_entries{table="connections"}') ?? 0;
    }
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

describe('The daemon, on who listens', function () {
  this.timeout(60_000);
  const keep = resources();
  let caller: Container;
  let host: Container;
  let other: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    other = await keep(Container.create());
    collector = await keep(Collector.start([], { env }));
  });

  /** Open endpoints of a port: the arguments of their originators. */
  function open(container: Container, port: number): string[] {
    const known = new Set<string>();
    for (const { listenAddress, originator, closeTimestamp } of collector.endpoints(container.shortId)) {
      if (listenAddress.port !== port) continue;
      const name = `${originator?.processName} ${originator?.processArgs}`;
      if (closeTimestamp === undefined) known.add(name);
      else known.delete(name);
    }
    return [...known].sort();
  }

  async function shows(container: Container, port: number, originators: readonly string[]): Promise<void> {
    await collector.shows(
      () => `port ${port} by ${originators.join()}, and not ${open(container, port).join()}`,
      () => open(container, port).join() === originators.join(),
    );
  }

  it('gives a port that is handed to another container to that, and what it accepts from then on', async () => {
    const path = `${scratchFolder()}/handed`;
    const taker = await other.start('exec', workload(), 'take-over', path);
    await taker.said('waiting');
    const giver = await host.start('exec', workload(), 'hand-over', '0.0.0.0', '7230', path);
    await shows(host, 7230, [`workload hand-over 0.0.0.0 7230 ${path}`]);
    await taker.said('taken');
    await giver.ended;
    await shows(other, 7230, [`workload take-over ${path}`]);
    await shows(host, 7230, []);
    const call = await connected(caller, WIRE.v4[1], 7230);
    const isTaken = ({ localAddress }: { localAddress?: { port?: number } }) => localAddress?.port === 7230;
    await collector.shows(
      () => 'the connection',
      () => collector.connections(other.shortId).some(isTaken),
    );
    assert.ok(!collector.connections(host.shortId).some(isTaken));
    await caller.stop(call);
    await other.stop(taker);
    await shows(other, 7230, []);
  });

  it('names beside the launcher the service that it started, once that has served, and no other child', async () => {
    const [launcher] = await listening(host, 'exec', workload(), 'launch', '0.0.0.0', '7030', 'serve-fd');
    const byLauncher = 'workload launch 0.0.0.0 7030 serve-fd';
    await shows(host, 7030, [byLauncher]);
    await sleep(2 * TICK_MS);
    assert.deepEqual(open(host, 7030), [byLauncher]);
    await caller.stop(await connected(caller, WIRE.v4[1], 7030));
    await collector.shows(
      () => `the service, and not only ${open(host, 7030).join()}`,
      () => open(host, 7030).some((one) => /^workload serve-fd \d+$/.test(one)),
    );
    assert.ok(open(host, 7030).includes(byLauncher));
    await host.stop(launcher);
  });

  it('names a daemon that its parent forked by what that executed, whatever it calls itself', async () => {
    await host.run('spawn', workload(), 'daemon', '0.0.0.0', '7040');
    await shows(host, 7040, ['workload daemon 0.0.0.0 7040']);
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { ask } from '../http/support.js';
import { Collector } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { samplesIn } from '../support/exposition.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };

describe('The daemon, short of descriptors', function () {
  this.timeout(60_000);
  const keep = resources();
  let container: Container;
  let collector: Collector;
  const idle: Socket[] = [];

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
    collector = await keep(Collector.start([], { env }));
  });
  afterEach(() => {
    for (const socket of idle.splice(0)) socket.destroy();
  });

  /** The soft limit, which needs no rights to be raised again. */
  const limitFiles = (most: number) =>
    execFileSync('prlimit', [`--pid=${collector.pid}`, `--nofile=${most}:`]);
  const used = () => readdirSync(`/proc/${collector.pid}/fd`).length;
  const metric = async (name: string) =>
    samplesIn((await ask(collector.address('Metrics'), '/metrics')).text).get(name) ?? 0;

  async function hold(what: 'HTTP' | 'Metrics'): Promise<void> {
    const [host, port] = collector.address(what).split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => undefined);
    idle.push(socket);
    await once(socket, 'connect');
  }

  it('goes on with fewer connections when clients hold as many as there could be files', async () => {
    limitFiles(used() + 200);
    for (let i = 0; i < 200; i++) {
      await hold('HTTP');
      await hold('Metrics');
    }
    await container.run('exec', '/bin/true', 'beside-idle-clients');
    await collector.signal(container.shortId, 'beside-idle-clients');
    assert.equal((await ask(collector.address('HTTP'), '/ready')).status, 200);
    assert.ok((await metric('collector_http_connections_cut_total')) > 0);
    assert.equal(await metric('collector_shortages_total{error="EMFILE"}'), 0, 'scans had what they need');
  });

  it('waits until there are descriptors again, and says so, when there are none at all', async () => {
    limitFiles(10); // of those that are open, none is taken away
    await eventually(
      () => /Too few descriptors of this process for .* \(EMFILE\)/.test(collector.stderr),
      'a warning',
    );
    await container.run('exec', '/bin/true', 'without-descriptors');
    await collector.signal(container.shortId, 'without-descriptors');
    limitFiles(1024);
    const job = await container.start('serve', '0.0.0.0', '1');
    const port = Number(await job.said('listening'));
    await eventually(
      () => collector.endpoints(container.shortId).some(({ listenAddress }) => listenAddress.port === port),
      'a scan or an event shows the port',
    );
    assert.ok((await metric('collector_shortages_total{error="EMFILE"}')) > 0);
    await collector.stop();
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { Daemon } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { FrozenDisk } from '../support/frozen-disk.js';
import { Pipe } from '../support/pipe.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { scratchFolder } from '../support/workload.js';

const NAME = 'sensor.of.the.specs';
const RESOLVER = '127.0.0.77';
const REQUEST = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';

/**
 * One daemon, and everybody outside of it stops in turn, for good: who reads its log, its disk, who asks it over
 * HTTP, the container runtime, the configuration, Sensor, and the resolver that finds Sensor.
 */
describe('The daemon whose outside parties stop one after the other', function () {
  this.timeout(90_000);
  const keep = resources();
  const folder = path.join(scratchFolder(), 'outside');
  const config = path.join(folder, 'runtime_config.yaml');
  const hosts = path.join(folder, 'hosts');
  let container: Container;
  let sensor: TestSensor;
  let disk: FrozenDisk;
  let log: Pipe;
  let daemon: Daemon;
  let http: string;
  let metrics: string;

  before(async function () {
    requires(this, isRoot, 'no root');
    requires(
      this,
      existsSync('/usr/sbin/mkfs.ext4') && existsSync('/dev/loop-control'),
      'no mkfs.ext4 or no loop devices',
    );
    mkdirSync(folder);
    container = await keep(Container.create());
    sensor = await keep(TestSensor.start());
    disk = await keep(new FrozenDisk());
    log = await keep(new Pipe());
    http = `127.0.0.1:${await freePort()}`;
    metrics = `127.0.0.1:${await freePort()}`;

    const runtime = createServer().listen(path.join(folder, 'cri.sock'));
    await keep({ remove: () => void runtime.close() });
    const resolver = createSocket('udp4').bind(53, RESOLVER);
    await once(resolver, 'listening');
    await keep({ remove: () => void resolver.close() });

    writeFileSync(config, 'networking:\n  maxConnectionsPerMinute: 100\n');
    writeFileSync(hosts, `127.0.0.1 localhost ${NAME}\n`);
    writeFileSync(path.join(folder, 'resolv.conf'), `nameserver ${RESOLVER}\n`);
    const mounts = ['hosts', 'resolv.conf'].map((file) => `mount --bind ${folder}/${file} /etc/${file}`);
    const [, port] = sensor.address.split(':');
    daemon = await keep(
      new Daemon([`--grpc-server=${NAME}:${port}`, `--record=${disk.path}/run`], {
        errors: log.fd,
        through: ['unshare', '--mount', 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh'],
        env: {
          ROX_COLLECTOR_HTTP_ADDRESS: http,
          ROX_COLLECTOR_METRICS_ADDRESS: metrics,
          ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
          ROX_COLLECTOR_INTROSPECTION_ENABLE: 'true',
          ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
          ROX_COLLECTOR_CONFIG_PATH: config,
          ROX_COLLECTOR_RUNTIME_SOCKETS: path.join(folder, 'cri.sock'),
        },
      }),
    );
    await eventually(
      async () => (await ask(http, '/ready')) === 200,
      () => `it is ready:\n${log.read()}`,
    );
    log.read();
  });

  async function ask(address: string, route: string): Promise<number | undefined> {
    const answer = fetch(`http://${address}${route}`, { signal: AbortSignal.timeout(5000) });
    return answer.then(
      ({ status }) => status,
      () => undefined,
    );
  }

  /** Events that were folded so far, as metrics say. */
  async function folded(): Promise<number> {
    const text = await (
      await fetch(`http://${metrics}/metrics`, { signal: AbortSignal.timeout(5000) })
    ).text();
    return Number(/^rox_collector_events{type="userspace"} (\d+)$/m.exec(text)?.[1]);
  }

  /** It is alive and ready, and what happens is folded. */
  async function goesOn(): Promise<void> {
    const before = await folded();
    await container.run('execs', '20');
    await eventually(async () => (await folded()) >= before + 20, 'events flow');
    assert.equal(await ask(http, '/live'), 200);
    assert.equal(await ask(http, '/ready'), 200);
  }

  it('goes on when nobody reads its log', async () => {
    log.fill();
    await goesOn();
  });

  it('goes on when the disk of its recording is frozen', async () => {
    await eventually(() => statSync(path.join(disk.path, 'run')).size > 0, 'it records');
    disk.freeze();
    await goesOn();
    await goesOn();
  });

  it('goes on when clients ask and do not read', async () => {
    const clients = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => stubborn(n % 2 ? http : metrics)),
    );
    await keep({ remove: () => clients.forEach((client) => client.destroy()) });
    await goesOn();
  });

  it('goes on when its runtime configuration becomes a pipe that nobody writes to', async () => {
    execFileSync('mkfifo', [`${config}.pipe`]);
    renameSync(`${config}.pipe`, config);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // it looks a second after a change
    await goesOn();
  });

  it('goes on when Sensor does not read', async () => {
    sensor.double.stall('signals', 'network');
    await goesOn();
  });

  it('goes on when Sensor is gone and no resolver answers where it went', async () => {
    writeFileSync(hosts, '127.0.0.1 localhost\n');
    await sensor.double.refuse();
    sensor.double.hangUp('signals', 'network');
    await new Promise((resolve) => setTimeout(resolve, 12_000)); // by then it asks the resolver
    await goesOn();
    await goesOn();
  });

  it('ends in time all the same', async () => {
    // A thread in a frozen disk is in a sleep that no signal ends, and no process goes before its threads have.
    disk.thaw();
    const start = performance.now();
    daemon.signal('SIGTERM');
    assert.equal(await daemon.ended, 0);
    assert.ok(performance.now() - start < 5000, 'it ends in time');
  });
});

/** A client that asks many times and reads nothing. */
async function stubborn(address: string): Promise<Socket> {
  const [host, port] = address.split(':');
  const client = connect({ host: host!, port: Number(port) });
  client.on('error', () => undefined);
  client.pause();
  await once(client, 'connect');
  client.write(REQUEST.repeat(50) + REQUEST.replace('/metrics', '/state/network/connection').repeat(50));
  return client;
}

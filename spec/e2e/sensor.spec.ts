import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Authority, writeIdentity } from '../../scripts/sensor/certificates.js';
import { Collector, runToEnd, type Ended } from '../support/collector.js';
import { Container, WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { history } from '../support/history.js';
import { client, endpoint, server } from '../support/messages.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { scratchFolder, workload } from '../support/workload.js';

const SERVER_NAME = 'sensor.stackrox';
/** Seconds; short, so that the specs do not wait for reports. */
const INTERVAL = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
/** 30 polls of a second, and what starting and a diagnosis take. */
const CONNECTING_MS = 60_000;

/** Sensor's and Collector's files, signed by one authority. */
async function certificates(name: string, authority: Authority) {
  const folder = path.join(scratchFolder(), `certificates-${name}`);
  const server = await authority.issue({ commonName: SERVER_NAME });
  const client = path.join(folder, 'client');
  writeIdentity(client, authority, await authority.issue({ commonName: 'collector' }));
  return { client, tls: { ca: authority.certificate, cert: server.certificate, key: server.key } };
}

describe('Collector with a Sensor', () => {
  const keep = resources();
  let sensor: TestSensor;
  let collector: Collector;
  let caller: Container;
  let callee: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    const { client, tls } = await certificates('run', await Authority.create());
    [caller, callee] = await pair(keep);
    await caller.run('exec', workload(), 'exit', 'before');
    sensor = await keep(TestSensor.start({ tls }));
    collector = await keep(
      Collector.start([], { sensor, env: { ...INTERVAL, ROX_COLLECTOR_TLS_CERTS: client } }),
    );
  });

  it('brings it the processes and connections of containers, and none of its own', async () => {
    const listening = await callee.start('serve', '0.0.0.0', '1');
    const port = Number(await listening.said('listening'));
    await caller.run('exec', workload(), 'exit', 'hello');
    const { execFilePath, scraped } = await collector.signal(caller.shortId, 'exit hello');
    assert.deepEqual({ execFilePath, scraped }, { execFilePath: workload(), scraped: undefined });
    const call = await caller.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    const incoming = server(callee.shortId, port, WIRE.v4[0]);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
    assert.ok(
      sensor.signals.every(({ containerId }) => containerId !== undefined),
      'nothing of the host, or of Collector itself',
    );
  });

  it('is told again of what runs when it opens a new stream, each once, as found running', async function () {
    this.timeout(60_000);
    const job = await caller.start('exec', workload(), 'serve', '0.0.0.0', '1');
    await job.said('listening');
    const streams = sensor.opened('signals').length;
    sensor.double.hangUp('signals');
    await sensor.opens('signals', streams + 1);
    const stream = sensor.opened('signals').at(-1)!;
    const again = () =>
      sensor
        .messages('signals', stream)
        .flatMap(({ signal }) => signal?.processSignal ?? [])
        .filter(
          ({ containerId, args }) => containerId === caller.shortId && args?.startsWith('serve') === true,
        );
    const found = () => again().filter(({ scraped }) => scraped === true);
    await collector.shows(
      () => 'the process that runs',
      () => found().length > 0,
    );
    await sleep(500);
    assert.equal(found().length, 1);
    await caller.stop(job);
  });

  it('brings it, when it comes back, every process that was started while it was away', async function () {
    this.timeout(60_000);
    await sensor.double.refuse();
    const count = 300;
    await caller.run('execs', String(count));
    await sleep(500);
    await sensor.double.accept();
    const heard = () =>
      new Set(
        collector.signals(caller.shortId).flatMap(({ args = '' }) => /^exit (\d+)$/.exec(args)?.[1] ?? []),
      ).size;
    await eventually(
      () => heard() === count,
      () => `${count} processes, not ${heard()}: ${collector.stderr.slice(-500)}`,
      30_000,
    );
  });

  it('is told of the whole picture when it opens a new stream of connections', async function () {
    this.timeout(60_000);
    const listening = await callee.start('serve', '0.0.0.0', '1');
    const port = Number(await listening.said('listening'));
    const shown = () =>
      sensor
        .messages('network', sensor.opened('network').at(-1))
        .flatMap(({ info }) => info?.updatedEndpoints ?? [])
        .filter(
          ({ containerId, listenAddress }) => containerId === callee.shortId && listenAddress.port === port,
        );
    await collector.shows(
      () => 'the endpoint',
      () => shown().length > 0,
    );
    const streams = sensor.opened('network').length;
    sensor.double.hangUp('network');
    await sensor.opens('network', streams + 1);
    await collector.shows(
      () => 'the endpoint on the new stream',
      () => shown().length > 0,
    );
    // What it says of the process is tested with the endpoints.
    assert.deepEqual(
      { ...shown()[0], originator: undefined },
      { ...endpoint(callee.shortId, 'IPV4', port, undefined), originator: undefined },
    );
    await callee.stop(listening);
  });

  it('takes from it which networks it knows', async function () {
    this.timeout(60_000);
    await eventually(() => sensor.double.open.includes('network'), 'a stream of connections is open', 30_000);
    sensor.double.control({ networks: ['10.111.0.0/16'] });
    const listening = await callee.start('serve', '0.0.0.0', '1');
    const port = Number(await listening.said('listening'));
    await caller.run('connections', '1', WIRE.v4[1], String(port));
    const network = Buffer.of(10, 111, 0, 2, 16).toString('base64');
    await listening.ended;
    await collector.shows(
      () => 'the network of the peer',
      () =>
        collector
          .connections(caller.shortId)
          .some(({ remoteAddress }) => remoteAddress.ipNetwork === network),
    );
  });

  it('is told of by its cause and a remedy when it goes away, and is heard of when it is back', async function () {
    this.timeout(60_000);
    const streams = sensor.opened('signals').length;
    await sensor.double.refuse();
    await eventually(
      () =>
        /Sensor cannot be reached: .*ECONNREFUSED.* Check that the Sensor pod is running/.test(
          collector.stderr,
        ),
      'the cause',
      20_000,
    );
    await sensor.double.accept();
    await sensor.opens('signals', streams + 1);
  });

  it('gets all that is queued when Collector ends', async () => {
    await caller.run('execs', '50');
    await collector.stop();
    assert.match(collector.stderr, /Caught signal 15 \(SIGTERM\): Terminated/);
    assert.ok(sensor.events.filter((one) => 'status' in one && one.status === 'OK').length >= 2);
  });
});

describe('Collector that is only to check', () => {
  const keep = resources();

  it('goes through all phases but the last, says so and exits', async function () {
    requires(this, isRoot, 'no root');
    const sensor = await keep(TestSensor.start());
    const { code, stderr } = await runToEnd(['--check', `--grpc-server=${sensor.address}`]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Connected to Sensor\? {7}true\n.*available\? {3}true\n.*kernel\? true\n/);
    assert.match(stderr, /All checks passed\.\n$/);
    assert.deepEqual(sensor.messages('signals'), [], 'it sends nothing');
  });

  it('works without a Sensor, too', async function () {
    requires(this, isRoot, 'no root');
    const { code, stderr, stdout } = await runToEnd(['--check']);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /Connected to Sensor\? {7}false\n.*available\? {3}true\n.*kernel\? true\n/);
  });
});

describe('Collector that cannot connect to Sensor', () => {
  const keep = resources();
  const ended = new Map<string, Ended>();

  // Each of them waits for half a minute, so they wait side by side.
  before(async function () {
    this.timeout(2 * CONNECTING_MS);
    const authority = await Authority.create('Ours');
    const { client, tls } = await certificates('ours', authority);
    const other = await certificates('other', await Authority.create('Theirs'));
    const sensor = await keep(TestSensor.start({ tls }));
    const stranger = await keep(TestSensor.start());
    stranger.double.unimplemented = true;
    const silent = net.createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    await keep({ remove: () => void silent.close() });
    const silentAddress = `127.0.0.1:${(silent.address() as net.AddressInfo).port}`;
    const run = async (name: string, address: string, env: Record<string, string> = {}): Promise<void> => {
      ended.set(name, await runToEnd([`--grpc-server=${address}`], { env }, CONNECTING_MS));
    };
    const ours = { ROX_COLLECTOR_TLS_CERTS: client };
    await Promise.all([
      run('name', 'sensor.nowhere.invalid:443', ours),
      run('refused', '127.0.0.1:1', ours),
      run('server name', sensor.address, { ...ours, SNI_HOSTNAME: 'sensor.other' }),
      run('authority', sensor.address, { ROX_COLLECTOR_TLS_CERTS: other.client }),
      run('plain text', sensor.address),
      run('silent', silentAddress, ours),
      run('service', stranger.address),
    ]);
  });

  const reasons: Readonly<Record<string, readonly [cause: RegExp, remedy: RegExp]>> = {
    name: [/sensor\.nowhere\.invalid does not resolve/, /kubectl get service/],
    refused: [/127\.0\.0\.1 answers ECONNREFUSED/, /Sensor pod is running/],
    'server name': [/certificate is for DNS:sensor\.stackrox, not for sensor\.other/, /SNI_HOSTNAME/],
    authority: [/signed by 'Ours', is not trusted by the CA file/, /CA that signed/],
    'plain text': [/speaks TLS, and Collector was not told to/, /ROX_COLLECTOR_TLS_CERTS/],
    silent: [/the TLS handshake was not answered/, /proxy/],
    service: [/gRPC status UNIMPLEMENTED for sensor\.SignalService/, /GRPC_SERVER/],
  };
  for (const [name, [cause, remedy]] of Object.entries(reasons)) {
    it(`says why, and what to do: ${name}`, () => {
      const { code, stdout, stderr } = ended.get(name)!;
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, /\[WARNING .*\[Throttled\] Not connected to Sensor yet: /);
      assert.match(stderr, /Connected to Sensor\? {7}false\n/);
      assert.match(stderr, new RegExp(`\\[ERROR .*Cause: .*${cause.source}`));
      assert.match(stderr, new RegExp(`\\[ERROR .*Remedy: .*${remedy.source}`));
      assert.match(stderr, /\[FATAL .*Unable to connect to Sensor at '.+:\d+'\.\n$/);
      assert.doesNotMatch(stderr, /^\s+at /m);
    });
  }

  it('says at once which TLS file is missing', async () => {
    const folder = path.join(scratchFolder(), 'no-certificates');
    const { code, stderr } = await runToEnd(['--grpc-server=127.0.0.1:1'], {
      env: { ROX_COLLECTOR_TLS_CERTS: folder },
    });
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`Cause: The TLS file ${folder}/ca\\.pem cannot be used: its folder ${folder} is missing\\.`),
    );
  });
});

describe('A run with a Sensor that was recorded', () => {
  const keep = resources();

  it('replays to what Sensor was told, its control messages included', async function () {
    requires(this, isRoot, 'no root');
    const file = path.join(scratchFolder(), 'with-sensor.collector');
    const container = await keep(Container.create());
    const sensor = await keep(TestSensor.start({ control: { networks: ['10.0.0.0/8'] } }));
    const collector = await keep(Collector.start([`--record=${file}`], { sensor, env: INTERVAL }));
    await container.run('exec', workload(), 'exit', 'recorded');
    await collector.signal(container.shortId, 'exit recorded');
    await collector.stop();
    const { code, stdout, stderr } = await runToEnd([`--replay=${file}`]);
    assert.equal(code, 0, stderr);
    const ids = (lines: readonly string[]) => lines.filter((id) => id !== '').sort();
    const replayed = stdout
      .trimEnd()
      .split('\n')
      .map(
        (line) =>
          (JSON.parse(line) as { signal?: { processSignal: { id: string } } }).signal?.processSignal.id ?? '',
      );
    assert.deepEqual(ids(sensor.signals.map(({ id }) => id)), ids(replayed));
    assert.ok(readFileSync(file).length > 0);
  });
});

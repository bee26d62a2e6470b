import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Subject } from 'rxjs';
import type { Fact } from '../../actors/capture/facts.js';
import type { NetworkUpdate } from '../../actors/connections/actor.js';
import { ConnectionState } from '../../actors/connections/state.js';
import type { ProcessUpdate } from '../../actors/processes/actor.js';
import { signalId, type ProcessSignal } from '../../actors/processes/signal.js';
import { readTls } from '../../actors/sensor/tls.js';
import { Sensor, type SensorOptions } from '../../actors/sensor/actor.js';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { asFailure } from '../../actors/telemetry/failures.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Authority, writeIdentity } from '../../scripts/sensor/certificates.js';
import type { DoubleOptions } from '../../scripts/sensor/double.js';
import { client, whole } from '../connections/support.js';
import { eventually } from '../support/eventually.js';
import { stateSettings } from '../support/facts.js';
import { batch, containerNumber, socketRecord } from '../support/records.js';
import { TestSensor } from '../support/sensor.js';
import { spawnStream } from '../support/spawn-stream.js';

const ID = '4f2a91bc03de';
const SERVER_NAME = 'sensor.stackrox';
const QUEUE_SIZE = 16 * 1024 * 1024;
const registration = { hostname: 'node-1', instanceId: 'life-1' };
const backOff = { signals: { first: 5, most: 20 }, network: { first: 5, most: 20 } };
const noFact: Fact = { kind: 'tick', time: 0, epoch: 0, audience: 'none' };

function signal(number: number, changes: Partial<ProcessSignal> = {}): ProcessSignal {
  return {
    record: 0,
    id: signalId('abcdef012345678', number),
    container: containerNumber(ID),
    sharer: containerNumber(ID),
    time: 1_700_000_000_000_000 + number,
    name: `p${number}`,
    path: '/bin/p',
    args: '',
    pid: number + 1,
    uid: 0,
    gid: 0,
    scraped: false,
    lineage: [],
    ...changes,
  };
}

describe('Sensor, over gRPC', () => {
  const close: (() => unknown)[] = [];
  let log: string[];
  let folder: string;

  beforeEach(() => {
    log = [];
    folder = mkdtempSync(path.join(tmpdir(), 'collector-sensor-'));
  });
  afterEach(async () => {
    for (const end of close.splice(0).reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  async function double(options: DoubleOptions = {}): Promise<TestSensor> {
    const sensor = await TestSensor.start(options);
    close.push(() => sensor.remove());
    return sensor;
  }

  /** A link to Sensor, and what it is told. */
  function link(address: string, options: Partial<SensorOptions> = {}) {
    const sensor = new Sensor({
      address,
      serverName: SERVER_NAME,
      tls: undefined,
      registration,
      queueSize: QUEUE_SIZE,
      log: createLog({ level: 'info', write: (line) => log.push(line) }),
      backOff,
      ...options,
    });
    const processes = new Subject<ProcessUpdate>();
    const network = new Subject<NetworkUpdate>();
    const originator = () => ({ name: '', path: '', args: '' });
    const delivery = sensor.deliver({ processes, network, originator }).subscribe();
    let isClosed = false;
    const end = async (): Promise<void> => {
      if (isClosed) return;
      isClosed = true;
      delivery.unsubscribe();
      await sensor.close(new Deadline(2000).start());
    };
    close.push(end);
    const tell = (...signals: ProcessSignal[]) => processes.next({ fact: noFact, signals });
    return { sensor, tell, network, end };
  }

  /** Folders with the files of Sensor and of Collector. */
  async function certificates(authority: Authority): Promise<{ server: string; client: string }> {
    const folders = { server: path.join(folder, 'server'), client: path.join(folder, 'client') };
    writeIdentity(folders.server, authority, await authority.issue({ commonName: SERVER_NAME }));
    writeIdentity(folders.client, authority, await authority.issue({ commonName: 'collector' }));
    return folders;
  }

  const filesIn = (folder: string) => ({
    ca: `${folder}/ca.pem`,
    cert: `${folder}/cert.pem`,
    key: `${folder}/key.pem`,
  });

  async function failureOf(promise: Promise<unknown>) {
    try {
      await promise;
    } catch (error) {
      return asFailure(error);
    }
    throw new Error('it did not fail');
  }

  it('is told first who opens each stream, then what there is', async () => {
    const double1 = await double();
    const { sensor, tell } = link(double1.address);
    await sensor.connect(new AbortController().signal);
    sensor.start(spawnStream);
    tell(signal(0));
    await eventually(() => double1.signals.length > 0, 'the signal arrives');
    const [stream] = double1.opened('signals').slice(-1);
    const [first, second] = double1.messages('signals', stream);
    assert.deepEqual(first, { collectorRegisterRequest: registration });
    assert.equal(second?.signal?.processSignal.name, 'p0');
    await double1.opens('network');
    await eventually(() => double1.messages('network').length > 0, 'the registration');
    assert.deepEqual(double1.messages('network'), [{ register: registration }]);
    const opening = double1.events.find((one) => one.stream === 'network' && 'event' in one);
    assert.ok(opening && 'metadata' in opening);
    assert.equal(opening.metadata['rox-collector-hostname'], 'node-1');
    assert.equal(opening.metadata['rox-collector-capabilities'], 'public-ips,network-graph-external-srcs');
  });

  it('keeps process signals, in their order, while it is away, and tells none of those that were found running', async () => {
    const double1 = await double();
    const { sensor, tell } = link(double1.address);
    sensor.start(spawnStream);
    await double1.opens('signals');
    await double1.double.refuse();
    await sleep(50);
    tell(signal(0), signal(1, { scraped: true }), signal(2));
    await double1.double.accept();
    await eventually(() => double1.signals.length >= 2, 'they arrive');
    assert.deepEqual(
      double1.signals.map(({ name }) => name),
      ['p0', 'p2'],
    );
  });

  it('tells when somebody listens who knows of no process, and takes what follows ahead of what waits', async () => {
    const double1 = await double();
    const { sensor, tell } = link(double1.address);
    sensor.factAudience.newcomers.subscribe(() => tell(signal(100, { scraped: true })));
    tell(signal(0));
    sensor.start(spawnStream);
    await eventually(() => double1.signals.length === 2, 'both arrive');
    assert.deepEqual(
      double1.signals.map(({ name, scraped }) => [name, scraped]),
      [
        ['p100', true],
        ['p0', undefined],
      ],
    );
  });

  it('gets no more than it takes: what is left waits, within a bound, and beyond it the oldest are dropped and counted', async () => {
    const double1 = await double();
    double1.double.stall('signals');
    const queueSize = 512 * 1024;
    const { sensor, tell } = link(double1.address, { queueSize });
    sensor.start(spawnStream);
    await double1.opens('signals');
    const args = 'x'.repeat(1000);
    for (let n = 0; n < 2000; n++) tell(signal(n, { args }));
    await eventually(() => sensor.counts.dropped > 0, 'some are dropped');
    assert.ok(sensor.counts.bytes <= queueSize);
    assert.match(log.join(''), /Dropped \d+ process signals so far.*ROX_COLLECTOR_SIGNAL_QUEUE_SIZE/);
    double1.double.resume('signals');
    await eventually(() => double1.signals.at(-1)?.name === 'p1999', 'the rest arrives');
    const { dropped, uncertain } = sensor.counts;
    assert.ok(double1.signals.length + dropped + uncertain >= 2000, 'every signal arrived or is counted');
    assert.ok(double1.signals.length + dropped <= 2000, 'none arrived that was never sent');
    const numbers = double1.signals.map(({ name }) => Number(name.slice(1)));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
  });

  it('says who hears a delta: nobody, somebody fresh, or the same', async () => {
    const double1 = await double();
    const { sensor, network } = link(double1.address);
    assert.equal(sensor.factAudience.audience(), 'none');
    sensor.start(spawnStream);
    await eventually(() => sensor.factAudience.audience() === 'fresh', 'a stream opens');
    assert.equal(sensor.factAudience.audience(), 'same');
    double1.double.stall('network');
    const connections = Array.from({ length: 20_000 }, () => ({
      container: containerNumber(ID),
      protocol: 6,
      role: 2,
      local: { address: new Uint8Array(0), port: 0, network: new Uint8Array(0) },
      remote: { address: Uint8Array.of(10, 0, 0, 1), port: 80, network: new Uint8Array(0) },
      closedAt: undefined,
    }));
    network.next({ time: 0, delta: { connections, endpoints: [] } });
    assert.equal(sensor.factAudience.audience(), 'none', 'the last one has not left');
    double1.double.resume('network');
    await eventually(() => sensor.factAudience.audience() === 'same', 'it has left');
    double1.double.hangUp('network');
    await eventually(() => sensor.factAudience.audience() === 'fresh', 'another stream opens');
  });

  it('has its control messages passed on, and malformed ones warned of', async () => {
    const double1 = await double({ control: { networks: ['10.0.0.0/8'], publicIps: ['203.0.113.7'] } });
    const { sensor } = link(double1.address);
    const received: object[] = [];
    sensor.factAudience.control.subscribe((lists) => received.push(lists));
    sensor.start(spawnStream);
    await eventually(() => received.length > 0, 'it arrives');
    assert.deepEqual(received, [
      {
        networks: Uint32Array.of(2, 8, 0x0a00_0000, 0, 0, 0),
        publicAddresses: Uint32Array.of(2, 32, 0xcb00_7107, 0, 0, 0),
      },
    ]);
    double1.double.send(Buffer.of(0x12, 3, 0x0a, 1, 7)); // one byte of IPv4 networks
    await eventually(() => log.some((line) => line.includes('not a multiple of 5')), 'the warning');
    double1.double.send(Buffer.of(0xff));
    await eventually(() => received.length === 2, 'the rest of the first one');
    assert.deepEqual(received[1], {});
  });

  it('gets what is queued, and its streams ended in good order, when Collector ends', async () => {
    const double1 = await double();
    const { sensor, tell, end } = link(double1.address);
    sensor.start(spawnStream);
    await double1.opens('signals');
    for (let n = 0; n < 1000; n++) tell(signal(n));
    await end();
    await eventually(() => double1.signals.length === 1000, 'all are there');
    await eventually(
      () => double1.events.filter((one) => 'status' in one && one.status === 'OK').length === 2,
      'both streams ended well',
    );
  });

  it('gets every signal at least once and the same picture, though its streams are killed 100 times under load', async function () {
    this.timeout(120_000);
    const double1 = await double();
    const { sensor, tell, network } = link(double1.address);
    const state = new ConnectionState(stateSettings(), () => 0, 1);
    sensor.start(spawnStream);
    let sent = 0;
    let time = 0;
    const open = new Set<number>();
    const work = setInterval(() => {
      for (let n = 0; n < 20; n++) tell(signal(sent++));
      const port = 1 + (sent % 97);
      const opens = !open.delete(port);
      if (opens) open.add(port);
      time += 1e9;
      const type = opens ? 'open' : 'close';
      state.record(batch(socketRecord({ ...client({ remotePort: port }), type, time })), 0);
      tick();
    }, 2);
    const tick = (): void => {
      time += 1e9;
      const delta = whole(
        state.tick({ kind: 'tick', time, epoch: 0, audience: sensor.factAudience.audience() }),
      );
      if (delta.connections.length > 0) network.next({ time, delta });
    };
    try {
      for (let kill = 0; kill < 100; kill++) {
        const streams = double1.opened('signals').length;
        if (kill % 3 === 0) double1.double.reset();
        else double1.double.hangUp('signals', 'network');
        await double1.opens('signals', streams + 1);
        await sleep(5);
      }
    } finally {
      clearInterval(work);
    }
    const heard = () => new Set(double1.signals.map(({ id }) => id)).size;
    await eventually(
      () => heard() === sent,
      () => `${heard()} of ${sent} signals, ${JSON.stringify(sensor.counts)} got ${double1.signals.length}`,
      60_000, // the double reads in this process, beside the specs of others
    );
    assert.equal(sensor.counts.dropped, 0);
    const picture = () => {
      const drawn = new Set<number>();
      for (const { info } of double1.messages('network', double1.opened('network').at(-1))) {
        for (const { remoteAddress, closeTimestamp } of info?.updatedConnections ?? []) {
          if (closeTimestamp === undefined) drawn.add(remoteAddress.port!);
          else drawn.delete(remoteAddress.port!);
        }
      }
      return [...drawn].sort((a, b) => a - b);
    };
    await eventually(() => {
      tick();
      return JSON.stringify(picture()) === JSON.stringify([...open].sort((a, b) => a - b));
    }, 'the picture is the same');
  });

  describe('with mutual TLS', () => {
    let authority: Authority;
    before(async () => (authority = await Authority.create()));

    async function secureDouble(server: string): Promise<TestSensor> {
      const { readFileSync } = await import('node:fs');
      const { ca, cert, key } = filesIn(server);
      return double({ tls: { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) } });
    }

    async function tlsIn(client: string): Promise<SensorOptions['tls']> {
      const files = filesIn(client);
      return { files, material: await readTls(files) };
    }

    it('is connected to by its name, whatever its address is', async () => {
      const folders = await certificates(authority);
      const double1 = await secureDouble(folders.server);
      const { sensor, tell } = link(double1.address, { tls: await tlsIn(folders.client) });
      await sensor.connect(new AbortController().signal);
      sensor.start(spawnStream);
      tell(signal(0));
      await eventually(() => double1.signals.length > 0, 'the signal arrives');
    });

    it('is not connected to under another name, and the failure says which it has', async () => {
      const folders = await certificates(authority);
      const double1 = await secureDouble(folders.server);
      const { sensor } = link(double1.address, {
        tls: await tlsIn(folders.client),
        serverName: 'sensor.other',
      });
      const { message } = await failureOf(sensor.connect(new AbortController().signal, 2));
      assert.match(message, /its certificate is for DNS:sensor\.stackrox, not for sensor\.other/);
    });

    it('gets all signals while the certificates rotate, over streams with the new ones', async () => {
      const folders = await certificates(authority);
      const double1 = await secureDouble(folders.server);
      const { sensor, tell } = link(double1.address, { tls: await tlsIn(folders.client) });
      sensor.start(spawnStream);
      await double1.opens('signals');
      let sent = 0;
      const work = setInterval(() => tell(signal(sent++)), 1);
      writeIdentity(folders.client, authority, await authority.issue({ commonName: 'collector-2' }));
      try {
        await double1.opens('signals', 2);
        await double1.opens('network', 2);
        await sleep(100);
      } finally {
        clearInterval(work);
      }
      await eventually(() => new Set(double1.signals.map(({ id }) => id)).size === sent, 'all arrive');
      assert.match(log.join(''), /TLS files have changed/);
      await eventually(
        () => double1.events.filter((one) => 'status' in one && one.status === 'OK').length >= 2,
        'the old streams end well',
      );
    });
  });

  describe('that cannot be connected to', () => {
    it('is asked for again and again, and found when it comes', async () => {
      const double1 = await double();
      await double1.double.refuse();
      const { sensor } = link(double1.address);
      const connected = sensor.connect(new AbortController().signal);
      await eventually(
        () => log.some((line) => line.includes('ECONNREFUSED')),
        'the reason is told meanwhile',
      );
      await double1.double.accept();
      await connected;
    });

    it('is connected to without the rest of the wait after a failed attempt', async () => {
      const double1 = await double();
      await double1.double.refuse();
      const obstacles = new Set<string>();
      const connected = link(double1.address).sensor.connect(
        new AbortController().signal,
        undefined,
        ({ code }) => obstacles.add(code),
      );
      // The waits of gRPC: 1, 1.6, 2.6 and 4.1 s, each 20 % more or less. No attempt falls between 6.2 and 7.4 s.
      await sleep(6400);
      await double1.double.accept();
      await connected;
      assert.deepEqual([...obstacles], ['SENSOR_REFUSED'], 'the wait of Collector is no obstacle of Sensor');
    });

    it('fails with the reason when the polls are over', async () => {
      const double1 = await double();
      await double1.double.refuse();
      const failure = await failureOf(link(double1.address).sensor.connect(new AbortController().signal, 1));
      assert.equal(failure.code, 'SENSOR_REFUSED');
    });

    it('is not Sensor when it does not know the service', async () => {
      const double1 = await double();
      double1.double.unimplemented = true;
      const { message } = await failureOf(
        link(double1.address).sensor.connect(new AbortController().signal, 1),
      );
      assert.match(message, /is not Sensor: it said gRPC status UNIMPLEMENTED for sensor\.SignalService/);
    });

    it('is waited for no longer once Collector is to stop', async () => {
      const double1 = await double();
      await double1.double.refuse();
      const stop = new AbortController();
      const connected = link(double1.address).sensor.connect(stop.signal);
      stop.abort(new Error('stop'));
      await assert.rejects(connected);
    });
  });
});

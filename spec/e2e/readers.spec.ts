import assert from 'node:assert/strict';
import { Collector, Daemon } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { Pipe } from '../support/pipe.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';

describe('The daemon whose standard error nobody reads', function () {
  this.timeout(60_000);
  const keep = resources();
  let container: Container;
  let sensor: TestSensor;
  let collector: Collector;
  let pipe: Pipe;
  let address: string;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
    sensor = await keep(TestSensor.start());
    pipe = await keep(new Pipe());
    address = `127.0.0.1:${await freePort()}`;
    const env = { ROX_COLLECTOR_HTTP_ADDRESS: address, ROX_COLLECTOR_SCRAPE_INTERVAL: '1' };
    collector = await keep(Collector.start([], { sensor, errors: pipe.fd, env }));
    pipe.read();
    pipe.fill();
  });

  it('goes on: it is ready and tells of what happens', async () => {
    sensor.double.hangUp('network'); // a warning is due
    await sensor.shows(
      () => 'the broken stream is known',
      () => sensor.opened('network').length > 0,
    );
    await container.run('exec', '/bin/true', 'unread');
    await collector.signal(container.shortId, 'unread');
    assert.equal((await fetch(`http://${address}/ready`)).status, 200);
  });

  it('writes what waited as soon as somebody reads', async () => {
    let heard = '';
    await eventually(() => (heard += pipe.read()).includes('to Sensor broke'), 'the warning of the stream');
    assert.match(heard, /\.\[WARNING .*The stream of .* to Sensor broke.*\n/);
  });

  it('ends in time all the same, and says so to a reader who comes late', async () => {
    pipe.fill();
    const start = performance.now();
    const ended = collector.stop();
    let heard = '';
    await eventually(() => performance.now() - start > 500, 'it waits for a reader');
    const reader = setInterval(() => (heard += pipe.read()), 50);
    await ended;
    clearInterval(reader);
    heard += pipe.read();
    assert.match(heard, /Caught signal 15 \(SIGTERM\)[^]*Collector exiting successfully!\n$/);
  });
});

describe('The daemon whose standard output nobody reads', function () {
  this.timeout(60_000);
  const keep = resources();

  it('goes on, says what it dropped and ends in time', async function () {
    requires(this, isRoot, 'no root');
    const container = await keep(Container.create());
    const pipe = await keep(new Pipe());
    const [http, metrics] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const env = { ROX_COLLECTOR_HTTP_ADDRESS: http, ROX_COLLECTOR_METRICS_ADDRESS: metrics };
    const daemon = await keep(new Daemon([], { output: pipe.fd, env }));
    const ask = async (url: string) => fetch(`http://${url}`, { signal: AbortSignal.timeout(5000) });
    const isReady = async () => (await ask(`${http}/ready`).catch(() => undefined))?.status === 200;
    await eventually(isReady, 'it is ready');
    pipe.fill();
    await container.run('execs', '500');
    const made = async () => {
      const text = await (await ask(`${metrics}/metrics`)).text();
      return Number(/^rox_collector_events{type="processSent"} (\d+)$/m.exec(text)?.[1]);
    };
    await eventually(async () => (await made()) >= 500, 'the signals are made');
    assert.ok(await isReady());
    const start = performance.now();
    daemon.signal('SIGTERM');
    assert.equal(await daemon.ended, 0);
    assert.match(daemon.stderr, /Dropped \d+ bytes of output, which nobody read/);
    assert.ok(performance.now() - start < 5000);
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { ask, dial } from '../http/support.js';
import { Collector, DAEMON, runToEnd, type Options } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { guide } from '../support/guide.js';
import { samplesIn, type Samples } from '../support/exposition.js';
import { pair } from '../support/pair.js';
import { Prometheus } from '../support/prometheus.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { workload } from '../support/workload.js';

const env = {
  ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
  ROX_COLLECTOR_INTROSPECTION_ENABLE: 'true',
};

describe('A daemon that is operated', function () {
  this.timeout(60_000);
  const keep = resources();
  let caller: Container;
  let host: Container;
  let port: number;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    collector = await keep(Collector.start([], { env }));
    const serving = await host.start('serve', WIRE.v4[1], '1');
    port = Number(await serving.said('listening'));
    const call = await caller.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
  });

  const metrics = async () => samplesIn((await ask(collector.address('Metrics'), '/metrics')).text);
  const ready = async () => ask(collector.address('HTTP'), '/ready');

  const asked = async (command: string): Promise<string> => (await guide(collector, command)).toString();

  it('is ready once events flow, and says so as probes expect', async () => {
    const { text } = await eventually(async () => {
      const answer = await ready();
      return answer.status === 200 && answer;
    }, 'it is ready');
    const { status, collector: shown } = JSON.parse(text) as {
      status: string;
      collector: { events: number };
    };
    assert.equal(status, 'ok');
    assert.ok(shown.events > 0);
    assert.match(text, /"status":"ok"/);
  });

  it('shows the runtime configuration that is in force', async () => {
    assert.match(await asked('curl collector:8080/state/runtime-config'), /"maxConnectionsPerMinute":2048/);
  });

  it('counts in metrics what happens', async () => {
    const [execve, sent, connects] = [
      'rox_collector_events_typed{event_dir="<",event_type="execve",quantity="userspace"}',
      'rox_collector_events{type="processSent"}',
      'rox_collector_events_typed{event_dir="<",event_type="connect",quantity="userspace"}',
    ];
    const before = await metrics();
    await host.run('execs', '100');
    const many = await host.start('serve', WIRE.v4[1], '50');
    await caller.run('connections', '50', WIRE.v4[1], await many.said('listening'));
    const grown = (after: Samples, name: string) => after.get(name)! - before.get(name)!;
    const after = await eventually(async () => {
      const now = await metrics();
      return grown(now, execve) >= 100 && grown(now, sent) >= 100 && grown(now, connects) >= 50 && now;
    }, 'all of it is counted');
    assert.ok(grown(after, 'rox_collector_events{type="kernel"}') >= 250);
    assert.ok(grown(after, 'rox_collector_counters{type="process_lineage_counts"}') >= 100);
    assert.equal(after.get('rox_collector_events{type="ringbufferDrops"}'), 0);
    assert.ok(
      after.get('rox_collector_event_times_us_total{event_dir="<",event_type="execve",step="process"}')! > 0,
    );
  });

  it('is scraped by Prometheus', async function () {
    requires(this, spawnSync('prometheus', ['--version']).status === 0, 'no prometheus');
    const prometheus = await keep(Prometheus.start(collector.address('Metrics')));
    await prometheus.shows('up{job="collector"}', 1);
    await prometheus.shows('collector_build_info', 1);
    await prometheus.shows('rox_collector_events{type="kernel"}', 1);
    await prometheus.shows('rox_connections_total_count{dir="out",peer="private"}', 1);
  });

  it('goes on, and stays ready, under slow clients, many and garbage', async () => {
    const held: Socket[] = [];
    try {
      for (const what of ['HTTP', 'Metrics'] as const) {
        const address = collector.address(what);
        for (let count = 0; count < 1200; count++) {
          const socket = await dial(address);
          socket
            .resume()
            .write(count % 3 === 0 ? Buffer.alloc(300, count) : 'POST /loglevel HTTP/1.1\r\nX: ');
          held.push(socket);
        }
      }
      assert.equal((await ready()).status, 200);
      assert.ok((await metrics()).size > 100);
      await host.run('exec', workload(), 'exit', 'under-siege');
      await collector.signal(host.shortId, 'exit under-siege');
    } finally {
      held.forEach((socket) => socket.destroy());
    }
    const after = await metrics();
    assert.equal(after.get('rox_collector_events{type="ringbufferDrops"}'), 0);
  });

  it('changes what it logs when it is told to', async () => {
    const before = collector.stderr;
    const level = async (body: string) =>
      JSON.parse(
        (await ask(collector.address('HTTP'), '/loglevel', { method: 'POST', body })).text,
      ) as unknown;
    assert.deepEqual(await level('fatal'), { status: 'Ok', level: 'FATAL' });
    assert.deepEqual(await level(''), { status: 'Ok', level: 'FATAL' });
    await collector.stop();
    assert.equal(collector.stderr, before, 'not even a good end is said');
  });
});

describe('A daemon with settings of operation', function () {
  this.timeout(30_000);
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
  });

  it('shows nothing of its state unless told to', async () => {
    const collector = await keep(Collector.start([]));
    for (const route of [
      'network/connection',
      'network/endpoint',
      'containers/01e8c0454972',
      'runtime-config',
    ])
      assert.equal((await ask(collector.address('HTTP'), `/state/${route}`)).status, 404, route);
    await collector.stop();
  });

  it('measures BPF programs if told to', async () => {
    const collector = await keep(Collector.start([], { env: { ROX_COLLECTOR_BPF_RUN_TIME: 'true' } }));
    const samples = samplesIn((await ask(collector.address('Metrics'), '/metrics')).text);
    const runs = [...samples].filter(([name]) => name.startsWith('collector_bpf_program_run_seconds_total'));
    assert.ok(runs.length > 0 && runs.every(([, seconds]) => seconds > 0));
    await collector.stop();
  });

  it('writes nothing but JSON to its log if told to', async () => {
    const collector = await keep(Collector.start([], { env: { ROX_COLLECTOR_LOG_FORMAT: 'json' } }));
    await collector.stop();
    const lines = collector.stderr.trimEnd().split('\n');
    const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
    assert.match(messages[0]!, /^Collector Version: /);
    assert.equal(messages.at(-1), 'Collector exiting successfully!');
  });

  it('is not ready when its self-check fails, says why, and collects all the same', async () => {
    const selfCheck = path.join(path.dirname(DAEMON), 'self-check');
    const through = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      `mount --bind /dev/null ${selfCheck} && exec "$@"`,
      'sh',
    ];
    const collector = await keep(Collector.start([], { through }));
    const { status, text } = await eventually(async () => {
      const answer = await ask(collector.address('HTTP'), '/ready');
      return answer.text !== '{}' && answer;
    }, 'the self-check is over');
    assert.equal(status, 503);
    assert.doesNotMatch(text, /"ok"/);
    assert.match((JSON.parse(text) as { error: string }).error, /did not see exec/);
    assert.match(
      (await ask(collector.address('Metrics'), '/metrics')).text,
      /collector_self_check_passed 0\n/,
    );
    await collector.stop();
  });

  it('tells in metrics how it stands with Sensor', async () => {
    const sensor = await keep(TestSensor.start());
    const collector = await keep(Collector.start([], { sensor, env }));
    await sensor.opens('network');
    const samples = await eventually(async () => {
      const now = samplesIn((await ask(collector.address('Metrics'), '/metrics')).text);
      return (
        now.get('collector_sensor_stream_state{stream="network",state="open"}') === 1 &&
        Number(now.get('rox_collector_events{type="processSent"}')) > 0 &&
        now
      );
    }, 'both streams are open');
    assert.equal(samples.get('collector_sensor_stream_state{stream="signals",state="open"}'), 1);
    assert.equal(samples.get('collector_sensor_queue_capacity_bytes'), 16 * 1024 * 1024);
    assert.equal(samples.get('collector_losses_total{stage="sensor",cause="queue_full"}'), 0);
    assert.equal(samples.get('rox_collector_events{type="grpcSendFailures"}'), 0);
    await collector.stop();
  });
});

describe('A daemon whose address is taken', function () {
  this.timeout(30_000);

  before(function () {
    requires(this, isRoot, 'no root');
  });

  for (const setting of ['ROX_COLLECTOR_HTTP_ADDRESS', 'ROX_COLLECTOR_METRICS_ADDRESS']) {
    it(`says so of ${setting}, and ends before it loads anything`, async () => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
      try {
        const { code, stderr } = await runToEnd([], { env: { [setting]: address } });
        assert.equal(code, 1);
        assert.ok(
          stderr.includes(`Cause: Collector cannot listen on ${address} (${setting}): something else does`),
        );
        assert.match(
          stderr,
          /Remedy: End what listens there .* or set ROX_COLLECTOR_\w+_ADDRESS to another host:port/,
        );
        assert.match(stderr, /Driver loaded into kernel\? false/);
        assert.equal(stderr.match(/\[FATAL/g)?.length, 1);
      } finally {
        taken.close();
      }
    });
  }

  /** In a network of its own, where somebody has the default address: it goes when the daemon does. */
  const squat = `ip link set lo up; setpriv --pdeathsig KILL "$NODE" -e "require('net').createServer().listen(8080)" &
    until ss -ltn | grep -q :8080; do sleep 0.1; done; exec "$@"`;
  const options: Options = {
    through: ['unshare', '--net', 'sh', '-c', squat, 'sh'],
    env: {
      NODE: process.execPath,
      ROX_COLLECTOR_HTTP_ADDRESS: '0.0.0.0:8080',
      ROX_COLLECTOR_METRICS_ADDRESS: '0.0.0.0:9090',
    },
  };

  it('goes on without a server that nobody asked for, standalone', async () => {
    const { code, stderr } = await runToEnd(['--check'], options);
    assert.equal(code, 0, stderr);
    const collector = await Collector.start([], options);
    try {
      assert.match(collector.stderr, /WARNING .*cannot listen on 0\.0\.0\.0:8080 .* goes on without/);
      assert.match(collector.stderr, /Metrics server listens on 0\.0\.0\.0:9090/);
      await collector.stop();
    } finally {
      await collector.remove();
    }
  });

  it('ends where it has a Sensor, whose cluster counts on the server', async () => {
    const { code, stderr } = await runToEnd(['--grpc-server=127.0.0.1:1'], options);
    assert.equal(code, 1);
    assert.match(stderr, /FATAL .*cannot listen on 0\.0\.0\.0:8080/);
  });
});

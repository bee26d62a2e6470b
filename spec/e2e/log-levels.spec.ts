import assert from 'node:assert/strict';
import { ask } from '../http/support.js';
import { Collector, runToEnd } from '../support/collector.js';
import { WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { workload } from '../support/workload.js';
import { Stage, visited } from '../support/stage.js';

const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1' };

async function setLevel(collector: Collector, body: string): Promise<void> {
  const { text } = await ask(collector.address('HTTP'), '/loglevel', { method: 'POST', body });
  assert.deepEqual(JSON.parse(text), { status: 'Ok', level: body.toUpperCase() });
}

/** Lines of a level, from a place in the log on. */
function linesOf(collector: Collector, level: string, from: number): string[] {
  const lines = collector.stderr.slice(from).split('\n');
  return lines.filter((line) => line.startsWith(`[${level.padEnd(7)} `));
}

/** Waits for a line of a level. */
async function line(collector: Collector, level: string, pattern: RegExp, from = 0): Promise<string> {
  return eventually(
    () => linesOf(collector, level, from).find((text) => pattern.test(text)),
    () => `${level} ${String(pattern)} in:\n${linesOf(collector, level, from).join('\n')}`,
  );
}

describe('The level of the log', function () {
  this.timeout(60_000);
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
  });

  it('is followed at once: debug explains a run, trace has each record, info is silent again', async () => {
    // In its compact view loopback peers come out of the kernel.
    const stage = await keep(new Stage(['--format=compact']));
    const collector = await stage.collect(env);
    const container = await stage.container();
    await container.run('exec', workload(), 'exit', 'at-info');
    assert.deepEqual(linesOf(collector, 'DEBUG', 0), []);

    await setLevel(collector, 'debug');
    const [caller, host] = await stage.pair();
    await visited([host, host], 3, '127.0.0.1', 'serve', '127.0.0.1', '3');
    await visited([caller, host], 1, WIRE.v4[1], 'serve', WIRE.v4[1], '1');
    await line(
      collector,
      'DEBUG',
      new RegExp(
        `Container ${host.shortId} met: its cgroup '/.*${host.id}' names it, as the kernel side says`,
      ),
    );
    await line(
      collector,
      'DEBUG',
      new RegExp(
        `Left out, on the loopback: connection of container ${host.shortId}, pid \\d+, workload, TCP 127.0.0.1:\\d+ [←→] 127.0.0.1`,
      ),
    );
    await line(
      collector,
      'DEBUG',
      /Scan of sockets in \d+\.\d ms, audience same: listed \d+; connections \d+ → \d+/,
    );
    await line(collector, 'DEBUG', /Tick in \d+\.\d ms, audience same: reported connections [1-9]/);
    await line(collector, 'DEBUG', /Kernel side: .*process_exec wrote \d+/);
    assert.deepEqual(linesOf(collector, 'TRACE', 0), []);

    await setLevel(collector, 'trace');
    const atTrace = collector.stderr.length;
    await container.run('exec', workload(), 'exit', 'a-secret');
    const traced = await line(
      collector,
      'TRACE',
      new RegExp(`Record: exec in container ${container.shortId}, pid \\d+: ${workload()}, parent \\d+`),
      atTrace,
    );
    assert.doesNotMatch(traced, /a-secret/);

    await setLevel(collector, 'info');
    const atInfo = collector.stderr.length;
    await container.run('exec', workload(), 'exit', 'at-info-again');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(collector.stderr.slice(atInfo), '', 'a tick and an exec say nothing');
    await collector.stop();
  });

  it('has at debug the hooks, the streams and their queues', async () => {
    const sensor = await keep(TestSensor.start());
    const debug = { ...env, ROX_COLLECTOR_LOG_LEVEL: 'debug' };
    const collector = await keep(Collector.start([], { sensor, env: debug }));
    await line(collector, 'DEBUG', /Hooks attached: process_exec, .*; UDP sockets by /);
    await line(collector, 'DEBUG', /Run begins: scope containers, format json, a tick each 1 s/);
    await line(collector, 'DEBUG', /Without TLS to Sensor/);
    await line(
      collector,
      'DEBUG',
      /The stream of connections to Sensor is being opened; waiting 0, unconfirmed 0,/,
    );
    await line(collector, 'DEBUG', /For Sensor: process signals \d+; waiting \d+, unconfirmed \d+,/);
    await line(
      collector,
      'DEBUG',
      /Scan of processes in \d+\.\d ms, audience fresh: listed \d+; signals \d+/,
    );
    const [caller, host] = await pair(keep);
    await visited([caller, host], 1, WIRE.v4[1], 'serve', WIRE.v4[1], '1');
    await line(collector, 'DEBUG', /For Sensor: a report of \d+ bytes; waiting \d+,/);
    await collector.stop();
    assert.match(collector.stderr, /DEBUG .* The stream of process signals to Sensor is being ended/);
  });

  it('explains a replay too', async () => {
    const { code, stderr } = await runToEnd(['--replay=spec/corpus/first-run.collector'], {
      env: { ROX_COLLECTOR_LOG_LEVEL: 'debug' },
    });
    assert.equal(code, 0);
    assert.match(stderr, /DEBUG .*Container [0-9a-f]{12} met: /);
    assert.match(stderr, /DEBUG .*Tick in /);
  });
});

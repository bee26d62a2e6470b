import assert from 'node:assert/strict';
import { ask } from '../http/support.js';
import { blocker, hasFuse } from '../support/blocker.js';
import { Collector } from '../support/collector.js';
import { Container } from '../support/container.js';
import { samplesIn } from '../support/exposition.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { workload } from '../support/workload.js';

describe('The daemon, beside a process whose memory nobody can read', function () {
  this.timeout(60_000);
  const keep = resources();
  let container: Container;
  let collector: Collector;
  let sensor: TestSensor;

  before(async function () {
    requires(this, isRoot && hasFuse, 'needs root and /dev/fuse');
    container = await keep(Container.create());
    const { program, folder } = blocker();
    const hostage = await container.start('exec', program, folder, 'secret');
    await hostage.said('maps');
    await (await container.start('exec', workload(), 'hold', 'before')).said('pid');
    sensor = await keep(TestSensor.start());
    collector = await keep(Collector.start([], { sensor, env: { ROX_COLLECTOR_SCRAPE_INTERVAL: '1' } }));
  });

  it('finds it, without its arguments, and the others with theirs', async () => {
    const { scraped } = await collector.signal(container.shortId, 'hold before');
    assert.equal(scraped, true);
    const hostage = await collector.shows(
      () => 'the process that holds up its reader',
      () =>
        collector
          .signals(container.shortId)
          .find(({ name, args }) => name === 'blocker' && (args ?? '') === ''),
    );
    assert.equal(hostage.scraped, true);
  });

  it('goes on to report what happens, is ready, and tells what it lacks', async () => {
    await container.run('exec', workload(), 'exit', 'after');
    await collector.signal(container.shortId, 'exit after');
    assert.equal((await ask(collector.address('HTTP'), '/ready')).status, 200);
    const samples = samplesIn((await ask(collector.address('Metrics'), '/metrics')).text);
    assert.equal(samples.get('collector_losses_total{stage="arguments",cause="blocked"}'), 1);
    assert.equal(samples.get('collector_argument_readers_replaced_total'), 1);
    assert.equal(samples.get('collector_argument_readers_left_behind'), 0);
    const lines = collector.stderr.split('\n').filter((line) => line.includes('holds up the reading'));
    assert.equal(lines.length, 1, collector.stderr);
  });

  it('tells a Sensor that is new of all of it again, and holds up nobody', async () => {
    const before = sensor.signals.length;
    const streams = sensor.opened('signals').length;
    sensor.double.hangUp('signals');
    await sensor.opens('signals', streams + 1);
    await collector.shows(
      () => 'both processes again',
      () => {
        const again = sensor.signals
          .slice(before)
          .filter(({ containerId }) => containerId === container.shortId);
        return ['blocker', 'workload'].every((one) =>
          again.some(({ name, scraped }) => name === one && scraped === true),
        );
      },
    );
    const samples = samplesIn((await ask(collector.address('Metrics'), '/metrics')).text);
    assert.equal(samples.get('collector_argument_readers_replaced_total'), 1);
  });

  it('ends when it is told to', async () => {
    await collector.stop();
  });
});

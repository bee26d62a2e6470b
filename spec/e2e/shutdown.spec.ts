import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { Collector } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { onHost } from '../support/workload.js';

describe('The daemon, told to end', function () {
  this.timeout(30_000);
  const keep = resources();
  let container: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
  });

  it('writes all that happened before, says so and exits with 0', async () => {
    const collector = await keep(Collector.start([]));
    // It sleeps meanwhile, so that it finds all of it and the signal at once.
    process.kill(collector.pid, 'SIGSTOP');
    await container.run('execs', '500');
    const stopped = collector.stop();
    process.kill(collector.pid, 'SIGCONT');
    await stopped;
    assert.equal(collector.signals(container.shortId).filter(({ scraped }) => !scraped).length, 500);
    assert.match(
      collector.stderr,
      /Caught signal 15 \(SIGTERM\): Terminated\n.*(\n.*)?Shutting down collector\.\n.*Collector exiting successfully!\n$/,
    );
  });

  it('reports what changed on the network since the last report', async () => {
    const collector = await keep(Collector.start([], { env: { ROX_COLLECTOR_SCRAPE_INTERVAL: '3600' } }));
    const job = await container.start('serve', '0.0.0.0', '1');
    const port = Number(await job.said('listening'));
    assert.deepEqual(collector.endpoints(container.shortId), []);
    await collector.stop();
    assert.deepEqual(
      collector.endpoints(container.shortId).map(({ listenAddress }) => listenAddress.port),
      [port],
    );
    await container.stop(job);
  });

  it('ends in time though Sensor hangs, and says how many signals Sensor did not confirm', async () => {
    const count = 2000;
    const sensor = await keep(TestSensor.start());
    const collector = await keep(Collector.start([], { sensor }));
    sensor.double.stall('signals', 'network');
    await container.run('execs', String(count));
    await collector.stop();
    const line = /did not confirm (\d+) process signals by the end: (\d+) were never sent, (\d+) were sent/;
    const [, all, unsent, sent] = line.exec(collector.stderr)?.map(Number) ?? [];
    assert.ok(all! + collector.signals(container.shortId).length >= count, collector.stderr);
    assert.equal(unsent! + sent!, all);
    assert.ok(unsent! <= count);
  });

  it('leaves none of its BPF programs in the kernel', async () => {
    const collector = await keep(Collector.start([]));
    const ids = programIds(collector.pid);
    assert.ok(ids.length >= 3);
    assert.equal(await onHost('programs', ...ids), `programs ${ids.length}`);
    await collector.stop();
    await gone(ids);
  });

  it('leaves none of them either when it is killed', async () => {
    const collector = await keep(Collector.start([]));
    const ids = programIds(collector.pid);
    await collector.remove();
    await gone(ids);
  });

  it('ends as well by Ctrl-C', async () => {
    const collector = await keep(Collector.start([]));
    await collector.stop('SIGINT');
    assert.match(collector.stderr, /Caught signal 2 \(SIGINT\): Interrupt\n/);
  });

  it('ends when nobody reads its output any more', async () => {
    const collector = await keep(Collector.start(['--format=compact']));
    collector.hangUp();
    await container.run('execs', '1');
    await collector.endsWell();
  });
});

/** Waits until the kernel has freed programs, which it does when nobody can be running them any more. */
async function gone(ids: readonly string[]): Promise<void> {
  const isGone = async () => (await onHost('programs', ...ids)) === 'programs 0';
  await eventually(isGone, 'the BPF programs are gone');
}

/** The kernel's numbers of the BPF programs that a process has loaded. */
function programIds(pid: number): string[] {
  const folder = `/proc/${pid}/fdinfo`;
  const ids = readdirSync(folder).flatMap((fd) => {
    const [, id] = /^prog_id:\t(\d+)$/m.exec(infoOf(`${folder}/${fd}`)) ?? [];
    return id ?? [];
  });
  return [...new Set(ids)];
}

/** Empty for a descriptor closed meanwhile, which those of programs are not. */
function infoOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

import assert from 'node:assert/strict';
import path from 'node:path';
import { Collector } from '../support/collector.js';
import { Container, WIRE } from '../support/container.js';
import { pair } from '../support/pair.js';
import { countEvents, type Counts } from '../support/recording.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { onHost, scratchFolder, workload } from '../support/workload.js';

/** Different numbers in the two containers, so that an event given to the wrong one shows. */
const EXECS = { busy: 10_000, calm: 1_000 };
const CONNECTIONS = { busy: 10_000, calm: 1_000 };
const NOISE_MS = 4000;

describe('The daemon, when two containers do thousands of things and the host makes noise', function () {
  this.timeout(90_000);
  const keep = resources();
  let busy: Container;
  let calm: Container;
  let noise = '';
  let shown: ReadonlyMap<string, number>;
  let recorded: Counts;
  let log: string;

  before(async function () {
    requires(this, isRoot, 'no root');
    [busy, calm] = await pair(keep);
    const file = path.join(scratchFolder(), 'exactness.collector');
    const collector = await keep(Collector.start(['--format=compact', `--record=${file}`]));
    const noisy = onHost('noise', String(NOISE_MS));

    // What the workload itself has counted is asserted here: the specs below are about it.
    assert.deepEqual(
      await Promise.all([busy.run('execs', String(EXECS.busy)), calm.run('execs', String(EXECS.calm))]),
      [[`execs ${EXECS.busy}`], [`execs ${EXECS.calm}`]],
    );
    await Promise.all([
      call(busy, calm, WIRE.v4[1], CONNECTIONS.busy),
      call(calm, busy, WIRE.v6[0], CONNECTIONS.calm),
    ]);

    noise = await noisy;
    await collector.stop();
    shown = countLines(collector.lines);
    recorded = countEvents(file);
    log = collector.stderr;
  });

  it('records and shows each exec and each exit, in the container that it happened in', () => {
    for (const [container, count] of [
      [busy, EXECS.busy],
      [calm, EXECS.calm],
    ] as const) {
      // The jobs themselves were started without an exec; the server's, the client's and this one's ends are seen.
      assert.equal(recorded.events.get(`${container.shortId} exec`), count);
      assert.equal(shown.get(`${container.shortId} exec`), count);
      assert.equal(shown.get(`${container.shortId} exit`), count);
      assert.equal(recorded.events.get(`${container.shortId} exit`), count + 3);
    }
  });

  it('records each exec with its own arguments', () => {
    for (const [container, count] of [
      [busy, EXECS.busy],
      [calm, EXECS.calm],
    ] as const) {
      const expected = Array.from({ length: count }, (_, i) => `exit ${i}`);
      assert.deepEqual([...recorded.arguments.get(container.shortId)!].sort(), expected.sort());
    }
  });

  it('records and shows each connection and its end, on both sides', () => {
    const sides = [
      [busy, 'client', 'connect', CONNECTIONS.busy],
      [calm, 'server', 'accept', CONNECTIONS.busy],
      [calm, 'client', 'connect', CONNECTIONS.calm],
      [busy, 'server', 'accept', CONNECTIONS.calm],
    ] as const;
    for (const [{ shortId }, role, event, count] of sides) {
      assert.equal(recorded.events.get(`${shortId} open ${role}`), count);
      assert.equal(recorded.events.get(`${shortId} close ${role}`), count);
      assert.equal(shown.get(`${shortId} ${event}`), count);
    }
    for (const { shortId } of [busy, calm]) {
      assert.equal(shown.get(`${shortId} close`), CONNECTIONS.busy + CONNECTIONS.calm);
    }
  });

  it('gets no event of the host out of the kernel, whatever goes on there', () => {
    const calls = Number(noise.replace('calls ', ''));
    assert.ok(calls > 100 * NOISE_MS, `${calls} system calls are noise`);
    // The self-check is no event of anybody's.
    const ofHost = [...recorded.events.keys()].filter(
      (key) => key.startsWith('host ') && key !== 'host selfCheck',
    );
    assert.deepEqual(ofHost, []);
  });

  it('counts in its last summary what was recorded, and no full buffer', function () {
    requires(this, isQuiet(recorded, 2), OTHERS);
    assert.equal(summary(log).events, recorded.total);
    // A state change that interrupts the program just when it handles another one may be counted as lost here: the
    // kernel leaves it out. That it was none of importance, the counts above say.
    assert.doesNotMatch(log, /the ring buffer was full|no memory in the kernel/);
  });
});

describe('The daemon that cannot keep up', function () {
  this.timeout(30_000);
  const keep = resources();
  const EXECS = 2000;

  it('counts every event that it had to lose', async function () {
    requires(this, isRoot, 'no root');
    const file = path.join(scratchFolder(), 'overrun.collector');
    const container = await keep(Container.create());
    const env = { ROX_COLLECTOR_SINSP_BUFFER_SIZE: '65536' };
    const collector = await keep(Collector.start([`--record=${file}`], { env }));
    process.kill(collector.pid, 'SIGSTOP');
    await container.run('execs', String(EXECS));
    process.kill(collector.pid, 'SIGCONT');
    await collector.stop();

    const recorded = countEvents(file);
    requires(this, isQuiet(recorded, 1), OTHERS);
    const { events } = recorded;
    const seen = events.get(`${container.shortId} exec`)! + events.get(`${container.shortId} exit`)!;
    const { lost } = summary(collector.stderr);
    assert.ok(lost > EXECS / 2, `${lost} were lost`);
    // An exec and an exit each, and the exit of the job.
    assert.equal(seen + lost, 2 * EXECS + 1);
    assert.match(collector.stderr, /\[WARNING .*process_exec \d+ because the ring buffer was full/);
  });
});

describe('The daemon that lost the start of a process', function () {
  this.timeout(30_000);
  const keep = resources();

  it('finds it at the next tick, as it runs, and tells of it once', async function () {
    requires(this, isRoot, 'no root');
    const container = await keep(Container.create());
    const env = {
      ROX_COLLECTOR_SINSP_BUFFER_SIZE: '65536',
      ROX_COLLECTOR_SINSP_CPU_PER_BUFFER: '0',
      ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
    };
    const collector = await keep(Collector.start([], { env }));
    process.kill(collector.pid, 'SIGSTOP');
    await container.run('execs', '2000');
    const job = await container.start('exec', workload(), 'hold', 'unseen');
    await job.said('pid');
    process.kill(collector.pid, 'SIGCONT');

    const { scraped } = await collector.signal(container.shortId, 'hold unseen');
    assert.equal(scraped, true);
    // Another loss leads to another scan.
    process.kill(collector.pid, 'SIGSTOP');
    await container.run('execs', '2000');
    const last = await container.start('exec', workload(), 'hold', 'last');
    await last.said('pid');
    process.kill(collector.pid, 'SIGCONT');
    await collector.signal(container.shortId, 'hold last');
    assert.equal(collector.signals(container.shortId).filter(({ args }) => args === 'hold unseen').length, 1);
  });
});

const OTHERS = 'other containers run on this machine';

/** Whether there were no events but those of so many containers, and of the one by which Collector.start waits. */
function isQuiet({ containers }: Counts, ours: number): boolean {
  return containers.size === ours + 1;
}

/** What the daemon says at its end that the kernel has counted. */
function summary(log: string): { events: number; lost: number } {
  const [, programs = '', lost] = /Kernel events: (.*?);.*lost: (\d+)/.exec(log) ?? [];
  const events = programs.split(', ').reduce((sum, part) => sum + Number(part.split(' ')[1]), 0);
  return { events, lost: Number(lost) };
}

/** Makes connections in a row from one container to the other, over one address of its. */
async function call(from: Container, to: Container, address: string, count: number): Promise<void> {
  const service = await to.start('serve', address, String(count));
  const port = await service.said('listening');
  assert.deepEqual(await from.run('connections', String(count), address, port), [`connections ${count}`]);
  assert.equal(await service.said('accepted'), String(count));
  assert.equal(await service.ended, 0);
}

/** How many lines there are of each `CONTAINER EVENT`. */
function countLines(lines: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const [, container, , event] = line.split(/ +/);
    const key = `${container} ${event}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

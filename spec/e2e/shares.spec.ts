import assert from 'node:assert/strict';
import { Collector } from '../support/collector.js';
import { type Container, type Job, WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { samplesIn } from '../support/exposition.js';
import { connected, listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

/** More than a table of 98,304 takes, in processes that may have 20,000 descriptors each. */
const PROCESSES = 7;
const SOCKETS = 16_000;
/** More than two million links, which is all that fit. */
const PEERS = 2_300_000;
const PORT = 7400;

describe('The daemon, beside a container that takes all it can', function () {
  this.timeout(240_000);
  const keep = resources();
  let greedy: Container;
  let other: Container;
  let collector: Collector;

  async function metric(name: string): Promise<number> {
    const response = await fetch(`http://${collector.address('Metrics')}/metrics`);
    return samplesIn(await response.text()).get(name)!;
  }

  before(async function () {
    requires(this, isRoot, 'no root');
    [greedy, other] = await pair(keep);
    const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '2' };
    collector = await keep(Collector.start([], { env }));
  });

  it('of listening sockets, reports the port of another and names the one', async () => {
    const job = await greedy.start(
      'listen-many',
      String(PROCESSES),
      String(SOCKETS),
      WIRE.v4[0],
      String(PORT),
    );
    await saying(job, 'listening');
    const refused = 'collector_losses_total{stage="connections",cause="table_full"}';
    await eventually(async () => (await metric(refused)) > 0, 'the table is full', 60_000);
    const [served] = await listening(other, 'serve-all', WIRE.v4[1], String(PORT));
    await collector.shows(
      () => 'the port of the other container',
      () => collector.endpoints(other.shortId).some(({ listenAddress }) => listenAddress.port === PORT),
    );
    const line = new RegExp(
      `Container ${greedy.shortId} .* fair share of the room for listening sockets`,
      'g',
    );
    await collector.shows(
      () => 'a line about the container',
      () => line.test(collector.stderr),
    );
    assert.equal(collector.stderr.match(line)!.length, 1);
    assert.ok(!new RegExp(`Container ${other.shortId} .* fair share`).test(collector.stderr));
    await other.stop(served);
    await greedy.stop(job);
  });

  it('of UDP peers, reports the connection of another, and keeps nothing of what it withheld', async () => {
    const storm = await greedy.start('udp-storm', String(PEERS), WIRE.v4[1]);
    await saying(storm, 'half');
    const [served, port] = await listening(other, 'serve', WIRE.v4[1], '1', String(PORT + 1));
    const call = await connected(greedy, WIRE.v4[1], port);
    await collector.shows(
      () => 'the connection that the other container accepted',
      () => collector.connections(other.shortId).some(({ localAddress }) => localAddress?.port === port),
    );
    await saying(storm, 'done');
    const links = 'collector_table_entries{table="reported_connections"}';
    await eventually(async () => (await metric(links)) < 20_000, 'what was withheld is gone', 60_000);
    await greedy.stop(call);
    assert.equal(await served.ended, 0);
    await collector.stop();
  });
});

/** Waits long for a job that has a lot to do. */
async function saying(job: Job, word: string): Promise<void> {
  await eventually(() => job.lines.includes(word), `the job says ${word}`, 120_000);
}

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { Workshop } from '../../scripts/bench/workshop.js';
import type { ScaleData } from '../../scripts/scale/data.js';
import { Feeder } from '../../scripts/scale/feeder.js';
import { Site, type Bench } from '../../scripts/scale/site.js';
import { isRoot, requires } from '../support/requirements.js';

const root = path.join(import.meta.dirname, '../..');
const CPUS = 16;
const CONTAINERS = 3;
const EXECS = 200;
const CONNECTIONS = 320;
/** Records of these. */
const RECORDS = 2 * EXECS + 4 * CONNECTIONS;

describe('The measurement of scale', function () {
  this.timeout(120_000);
  const stop = new AbortController();
  let workshop: Workshop | undefined;
  let bench: Bench;

  before(async function () {
    requires(this, isRoot, 'no root');
    workshop = new Workshop(stop.signal, CONTAINERS);
    await workshop.prepare();
    const feeder = await Feeder.prepare(workshop, stop.signal);
    bench = { workshop, feeder, dist: path.join(root, 'dist'), stop: stop.signal };
  });

  after(async () => workshop?.close());

  it('feeds records into the rings of more CPUs than there are, and all of them reach Sensor', async () => {
    await Site.during(bench, { cpus: CPUS }, async (site) => {
      const execs = await site.feed({ kind: 'exec', count: EXECS, rate: 2000, containers: CONTAINERS });
      const sockets = await site.feed({
        kind: 'connection',
        count: CONNECTIONS,
        rate: 4000,
        containers: CONTAINERS,
      });
      assert.deepEqual(
        [execs, sockets],
        [
          { written: 2 * EXECS, lost: 0 },
          { written: 4 * CONNECTIONS, lost: 0 },
        ],
      );
      await site.until('Sensor has a signal of each', () => site.signals === EXECS);
      const read = async () => site.metric('rox_collector_events', /type="userspace"/);
      await site.until('each record is read', async () => (await read()) >= RECORDS);
      assert.equal(await site.metric('collector_losses_total'), 0);
    });
  });

  it('holds real connections in several containers, and lets them go', async () => {
    const known = async (site: Site) => site.metric('collector_table_entries', /"connections"/);
    await Site.during(bench, { interval: 1 }, async (site) => {
      const before = await known(site);
      const release = await bench.workshop.hold(300, { count: CONTAINERS });
      await site.until('all are known', async () => (await known(site)) >= before + 300);
      await release();
      await site.until('they are over', async () => (await known(site)) < before + 100);
    });
  });

  it('prints its figures as JSON, with the targets of those that have one', () => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', path.join(root, 'scripts/scale.ts'), '--quick', '--only=rates', '--json'],
      { encoding: 'utf8' },
    );
    assert.match(stderr, /^… rates \(1 of 1\): \d+ s left$/m);
    const { rates } = JSON.parse(stdout) as ScaleData;
    assert.deepEqual(
      rates?.figures.map(({ unit, target }) => [unit, target?.text]),
      [
        ['%', '≤ 100 %'],
        ['records', '≤ 0 records'],
        ['signals', '≤ 0 signals'],
      ],
    );
  });
});

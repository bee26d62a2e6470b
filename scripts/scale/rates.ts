import { execFileSync } from 'node:child_process';
import { own } from '../bench/figures.js';
import type { PartResult } from './data.js';
import { RECORDS, type Feed } from './feeder.js';
import type { Plan } from './plan.js';
import { Site, type Bench } from './site.js';
import { warmUp } from './warm-up.js';

/** A second, on a node with this many containers. */
const EXECS = 5000;
const CONNECTIONS = 20_000;
const CONTAINERS = 100;

/**
 * Full rates on one core: Collector, all of its threads, runs on the first CPU alone. This machine can't start
 * processes as fast, so they are records written into the kernel's rings.
 */
export async function rates(bench: Bench, plan: Plan): Promise<PartResult> {
  return Site.during(bench, {}, async (site) => {
    const { daemon } = site;
    await warmUp(site, plan.warmUp);
    await site.until('Sensor has got all of the warm-up', () => site.signals >= plan.warmUp.execs);
    execFileSync('taskset', ['-a', '-c', '-p', '0', String(daemon.pid)], { stdio: 'ignore' });
    const seconds = plan.rates / 1000;
    const feeds: readonly Feed[] = [
      { kind: 'exec', rate: EXECS, count: EXECS * seconds, containers: CONTAINERS },
      { kind: 'connection', rate: CONNECTIONS, count: CONNECTIONS * seconds, containers: CONTAINERS },
    ];
    const read = async () => site.metric('rox_collector_events', /type="userspace"/);
    const before = { read: await read(), signals: site.signals, cpu: daemon.cpu() };
    const fed = await Promise.all(feeds.map(async (feed) => site.feed(feed)));
    const made = feeds.reduce((sum, { kind, count }) => sum + count * RECORDS[kind], 0);
    const noRoom = fed.reduce((sum, { lost }) => sum + lost, 0);
    await site.until('all is read from the rings', async () => (await read()) - before.read >= made - noRoom);
    const sent = feeds[0]!.count;
    await site.comes(() => site.signals - before.signals >= sent);
    const share = (daemon.cpu() - before.cpu) / 1e9 / seconds;
    const what = `${EXECS} execs and ${CONNECTIONS} connections a second on one core`;
    return {
      curves: [],
      figures: [
        own(`${what}: taken of it`, '%', share * 100, 100),
        own(
          `${what}: records lost, of ${made}`,
          'records',
          noRoom + (await site.metric('collector_losses_total')),
          0,
        ),
        own(
          `${what}: process signals missing at Sensor`,
          'signals',
          sent - (site.signals - before.signals),
          0,
        ),
      ],
    };
  });
}

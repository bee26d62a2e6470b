import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from './collector.js';
import { Container, wire, WIRE } from './container.js';
import { workload } from './workload.js';

/** Longer than from one report to the next. */
const REPORT_MS = 1200;
/** Reports every second, and what closes when it closes. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };

/**
 * A short run of the daemon with a little of all there is: two containers that were there before it, execs, connections
 * over IPv4 and IPv6, one of them from before too, and a port listened on. Its standard output.
 */
export async function firstRun(...args: readonly string[]): Promise<string> {
  const shop = await Container.create();
  const store = await Container.create();
  try {
    wire(shop, store);
    const early = await store.start('exec', workload(), 'serve', WIRE.v4[1], '1', '8080');
    const call = await shop.start('connect', WIRE.v4[1], await early.said('listening'));
    await call.said('connected');

    const collector = await Collector.start(args, { env });
    try {
      await shop.run('as', '1000', '1000', 'spawn', workload(), 'spawn', workload(), 'exit', 'two words');
      await shop.run('invalid-exec');
      await shop.run('long-exec', '20', '1024');
      await shop.run('execs', '3');
      await shop.stop(call);
      for (const address of [WIRE.v4[1], WIRE.v6[1], '::1']) {
        const service = await store.start('exec', workload(), 'serve', address, '2');
        const from = address === '::1' ? store : shop;
        await from.run('connections', '2', address, await service.said('listening'));
        await service.ended;
      }
      // Open for longer than a report takes, so that what follows is the end of something reported.
      const late = await store.start('exec', workload(), 'serve', WIRE.v6[1], '1');
      const lateCall = await shop.start('connect', WIRE.v6[1], await late.said('listening'));
      await sleep(REPORT_MS);
      await shop.stop(lateCall);
      await late.ended;
      await collector.stop();
      return collector.stdout;
    } finally {
      await collector.remove();
    }
  } finally {
    await shop.remove();
    await store.remove();
  }
}

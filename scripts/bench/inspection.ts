/**
 * What an inspection costs Collector: `npx tsx scripts/bench/inspection.ts [seconds [pairs]]`, as root and after `npm
 * run build`. The same load runs unwatched and with one watcher in turn, and so does an idle Collector; a watcher reads
 * /inspect/stream, from a process of its own. Another Collector, without introspection, shows what it costs to nobody.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from './daemon.js';
import { medianOf } from './statistics.js';
import { Workshop } from './workshop.js';

const [seconds = 10, pairs = 5] = process.argv.slice(2).map(Number);
/** Loads of 100 connections a second, of 4 events each: 1,200 events a second. */
const LOADS = 3;
const WARM_UP_MS = 20_000;
const SETTLE_MS = 1000;
const TARGET_PERCENT = 1;
const bundle = path.resolve(import.meta.dirname, '../../dist/collector.js');

const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));
const workshop = new Workshop(stop.signal);
const served = await Daemon.start(bundle, [], 'ignore', { ROX_COLLECTOR_INTROSPECTION_ENABLE: 'true' });
const bare = await Daemon.start(bundle);
try {
  await workshop.prepare();
  await load(WARM_UP_MS);
  const shares: Record<string, number[]> = {};
  const note = (name: string, share: number) => (shares[name] ??= []).push(share);
  for (let pair = 0; pair < pairs; pair++) {
    for (const [what, work] of [
      ['idle', async () => sleep(seconds * 1000)],
      ['at 1,200 events a second', async () => load(seconds * 1000)],
    ] as const) {
      const [nobody, without] = await sharesDuring(work);
      note(`${what}, without introspection`, without);
      note(`${what}, nobody watches`, nobody);
      const end = watch();
      const [watched] = await sharesDuring(work);
      note(`${what}, one watcher`, watched);
      await end();
    }
  }
  for (const [name, values] of Object.entries(shares))
    console.log(`${name.padEnd(50)} ${medianOf(values).toFixed(3)} % of a core`);
  for (const what of ['idle', 'at 1,200 events a second']) {
    const more = shares[`${what}, one watcher`]!.map(
      (share, pair) => share - shares[`${what}, nobody watches`]![pair]!,
    );
    const median = medianOf(more);
    const verdict = median < TARGET_PERCENT ? 'met' : 'NOT MET';
    console.log(
      `${`${what}, a watcher adds`.padEnd(50)} ${median.toFixed(3)} %  < ${TARGET_PERCENT} %: ${verdict}`,
    );
  }
} finally {
  await served.kill();
  await bare.kill();
  await workshop.close();
}

async function load(milliseconds: number): Promise<void> {
  await Promise.all(Array.from({ length: LOADS }, async () => workshop.load('trickle', milliseconds)));
}

/** Percent of a core taken meanwhile by the Collector with introspection, and by the one without. */
async function sharesDuring(work: () => Promise<void>): Promise<readonly [number, number]> {
  await sleep(SETTLE_MS);
  const before = [served.cpu(), bare.cpu()] as const;
  const start = performance.now();
  await work();
  const elapsed = (performance.now() - start) * 1e6;
  return [((served.cpu() - before[0]) / elapsed) * 100, ((bare.cpu() - before[1]) / elapsed) * 100];
}

/** Reads the stream of an inspection. @returns ends it */
function watch(): () => Promise<unknown> {
  const client = spawn('curl', ['-sN', `http://${served.address}/inspect/stream`], { stdio: 'ignore' });
  return async () => {
    const ended = once(client, 'exit');
    client.kill();
    return ended;
  };
}

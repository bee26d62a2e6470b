/**
 * How long a scrape of the metrics keeps the event loop, with a thousand and a million live connections: `npx tsx
 * scripts/bench/scrape.ts`, or with counts as its arguments. The requests come from another thread. Measured is
 * the busy time of the loop: to take the request, to gather and write the text, and to send it.
 */
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { Subject } from 'rxjs';
import type { Fact } from '../../actors/capture/facts.js';
import { RecordType } from '../../actors/capture/layout.js';
import { allAtOnce, Slices } from '../../actors/capture/slices.js';
import { Connections } from '../../actors/connections/actor.js';
import { createApp } from '../../actors/http/app.js';
import { openServer } from '../../actors/http/server.js';
import { metricsRoute } from '../../actors/http/serve.js';
import { readSettings } from '../../actors/settings/read.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Telemetry } from '../../actors/telemetry/telemetry.js';
import { batches, SECOND, SEED, settings, TICK } from './many.js';
import { medianOf } from './statistics.js';

const COUNTS = [1000, 1_000_000];
/** Scrapes of a Prometheus in two hours, one every 30 s. */
const SCRAPES = 240;
const TARGET_MS = 5;

const CLIENT = `
const { parentPort, workerData } = require('node:worker_threads');
parentPort.on('message', async () => {
  const response = await fetch('http://' + workerData + '/metrics');
  parentPort.postMessage((await response.text()).length);
});`;

/** Busy milliseconds of the loop for each scrape, and characters of the last. */
async function scrapes(count: number): Promise<{ readonly busy: number[]; readonly characters: number }> {
  const log = createLog({ level: 'fatal', write: () => undefined });
  const { detailedMetrics: detailed, connectionStatsQuantiles: quantiles } = readSettings([], {}).settings;
  const telemetry = new Telemetry({ version: 'bench', detailed, quantiles, log });
  const slices = new Slices();
  const connections = new Connections(() => 0, slices);
  telemetry.publish(connections.publication);
  const facts = new Subject<Fact>();
  connections.updates(facts).subscribe();
  facts.next({ kind: 'start', time: 0, epoch: 0, seed: SEED.toString(16).padStart(8, '0'), settings });
  for (const records of batches(RecordType.open, 0, count, SECOND))
    facts.next({ kind: 'records', time: SECOND, records });
  facts.next({ kind: 'tick', time: TICK, epoch: 0, audience: 'same' });
  allAtOnce(slices.run());

  const listener = createApp([metricsRoute(telemetry)], (error) => {
    throw error;
  }).callback();
  const server = await openServer(
    (request, response) => void listener(request, response),
    '127.0.0.1:0',
    'ADDRESS',
  );
  const client = new Worker(CLIENT, { eval: true, workerData: server.address });
  const busy: number[] = [];
  let characters = 0;
  while (busy.length < SCRAPES) {
    const before = performance.eventLoopUtilization();
    client.postMessage('scrape');
    [characters] = (await once(client, 'message')) as [number];
    busy.push(performance.eventLoopUtilization(before).active);
  }
  server.close();
  await client.terminate();
  return { busy, characters };
}

console.log('connections  text KB  first ms  median ms  99 of 100 ms  longest but the first ms  target');
const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : COUNTS;
for (const count of counts) {
  const { busy, characters } = await scrapes(count);
  const [first, ...rest] = busy;
  const sorted = rest.toSorted((a, b) => a - b);
  const median = medianOf(rest);
  const row = [
    String(count).padStart(11),
    (characters / 1024).toFixed(0).padStart(7),
    first!.toFixed(1).padStart(8),
    median.toFixed(2).padStart(9),
    sorted[Math.floor(sorted.length * 0.99)]!.toFixed(2).padStart(12),
    sorted.at(-1)!.toFixed(2).padStart(24),
    `≤ ${TARGET_MS} ms: ${median <= TARGET_MS ? 'met' : 'NOT MET'}`,
  ];
  console.log(row.join('  '));
}

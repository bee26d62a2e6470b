/**
 * Whether a Sensor outage loses process signals: `npm run build && npx tsx scripts/outage.ts [--minutes=10]
 * [--rate=50]`. Needs root. A container starts so many processes a second while the Sensor double is away; then it
 * comes back, and every one of them has to arrive. Exits with 1 when one does not.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SensorDouble, type SensorEvent } from './sensor/double.js';

const STARTING_MS = 3000;
const RETURN_MS = 60_000;
const bundle = path.resolve(import.meta.dirname, '../dist/collector.js');

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '50' } },
});
const count = Math.round(Number(values.minutes) * 60 * Number(values.rate));
if (!(count > 0)) throw new Error('--minutes and --rate are numbers over 0');

const heard = new Set<string>();
const onEvent = (event: SensorEvent): void => {
  if (!('message' in event)) return;
  const { signal } = event.message as { signal?: { processSignal?: { name?: string; args?: string } } };
  if (signal?.processSignal?.name === 'true') heard.add(signal.processSignal.args ?? '');
};

const unified = existsSync('/sys/fs/cgroup/cgroup.procs') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified';
const parent = path.join(unified, `collector-outage-${process.pid}`);
const cgroup = path.join(parent, randomBytes(32).toString('hex'));
mkdirSync(cgroup, { recursive: true });
const double = await SensorDouble.start({ onEvent });
const daemon = spawn(process.execPath, [bundle, `--grpc-server=${double.address}`], {
  // With a Sensor it would not start where somebody has its default addresses.
  env: {
    ...process.env,
    ROX_COLLECTOR_HTTP_ADDRESS: '127.0.0.1:0',
    ROX_COLLECTOR_METRICS_ADDRESS: '127.0.0.1:0',
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
try {
  await delay(STARTING_MS);
  await double.refuse();
  // read waits on a pipe that nobody writes to: sleep would be an exec of its own.
  const loop =
    'echo $$ >"$0"; exec {nothing}<> <(:); for ((i = 0; i < $1; i++)); do /bin/true $i; read -rt "$2" -u $nothing; done';
  const pause = String(1 / Number(values.rate));
  const load = spawn('bash', ['-c', loop, path.join(cgroup, 'cgroup.procs'), String(count), pause]);
  const start = performance.now();
  await once(load, 'close');
  const away = (performance.now() - start) / 1000;
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1];
  await double.accept();
  const end = performance.now() + RETURN_MS;
  while (heard.size < count && performance.now() < end) await delay(100);
  console.log(
    `Sensor was away for ${Math.round(away)} s and ${count} processes; ${heard.size} arrived after it came back. ` +
      `Collector had ${Math.round(Number(resident) / 1024)} MB then.`,
  );
  process.exitCode = heard.size === count ? 0 : 1;
} finally {
  daemon.kill();
  await once(daemon, 'close');
  await double.stop();
  rmdirSync(cgroup);
  rmdirSync(parent);
}

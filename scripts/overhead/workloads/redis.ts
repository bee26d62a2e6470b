import path from 'node:path';
import { Background, finish } from '../process.js';
import { ADDRESS } from '../site.js';
import type { Work, Workload } from '../workload.js';

const CLIENTS = '16';
/** Requests of the run that finds the speed. */
const TRIAL = 20_000;

export const redis: Workload = {
  name: 'redis',
  title: 'redis GET, 16 clients',
  packages: ['redis-server', 'redis-tools'],
  target: { kind: 'rate', least: 0.99 },
  async start(site, place) {
    const { server, client } = site.spots(place);
    const background = await Background.start({
      name: 'redis-server',
      command: [
        'redis-server',
        '--bind',
        ADDRESS,
        '--protected-mode',
        'no',
        '--save',
        '',
        '--appendonly',
        'no',
      ],
      spot: server,
      ready: { line: 'Ready to accept connections' },
      log: path.join(site.workshop.folder, 'redis.log'),
      stop: site.stop,
    });
    const requests = async (count: number): Promise<Work> => {
      const output = await finish(
        ['redis-benchmark', '-h', ADDRESS, '-c', CLIENTS, '-n', String(count), '-t', 'get', '--csv'],
        site.stop,
        client,
      );
      return { operations: count, elapsed: (count * 1e9) / ratePerSecond(output) };
    };
    const { elapsed } = await requests(TRIAL);
    return {
      run: (seconds) => requests(Math.ceil((TRIAL * seconds * 1e9) / elapsed)),
      stop: () => background.stop(),
    };
  },
};

/** Of the output of redis-benchmark: `"GET","71942.45",…`, behind a line of headings. */
export function ratePerSecond(csv: string): number {
  const rate = Number(/^"GET","([\d.]+)"/m.exec(csv)?.[1]);
  if (!(rate > 0)) throw new Error(`redis-benchmark gave no rate: ${csv.trim()}`);
  return rate;
}

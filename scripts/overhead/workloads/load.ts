/** Work of scripts/bench/load.c: system calls and started programs, on one thread. */
import { finish } from '../process.js';
import type { Place, Site } from '../site.js';
import type { Work, Workload } from '../workload.js';

/** Each exec of the load is of this program, with a number of its own as an argument. */
const TRUE = '/bin/true';

export const loads: readonly Workload[] = [
  {
    name: 'getpid',
    title: 'system call (getpid)',
    packages: [],
    target: { kind: 'noise' },
    start: (site, place) => start(site, place, 'getpid'),
  },
  {
    name: 'close',
    title: 'system call that fails (close)',
    packages: [],
    target: { kind: 'noise' },
    start: (site, place) => start(site, place, 'close'),
  },
  {
    name: 'exec',
    title: 'start of a program (true)',
    packages: [],
    target: { kind: 'node', most: 1.05 },
    events: { execs: 1 },
    start: (site, place) => start(site, place, 'spawn', TRUE),
  },
  {
    name: 'exec-least',
    title: 'start of a program that ends at once',
    packages: [],
    target: { kind: 'node', most: 1.05 },
    events: { execs: 1 },
    start: async (site, place) =>
      start(site, place, 'spawn', await site.workshop.compile('nothing', '-static', '-nostdlib')),
  },
];

async function start(site: Site, place: Place, work: string, ...program: string[]) {
  const load = await site.workshop.compile('load');
  const { client } = site.spots(place);
  return {
    run: async (seconds: number): Promise<Work> => {
      const milliseconds = String(Math.ceil(seconds * 1000));
      return sum(await finish([load, client.cgroup, work, milliseconds, ...program], site.stop, client));
    },
    stop: () => Promise.resolve(),
  };
}

/** A line for each slice of the run. */
function sum(output: string): Work {
  const slices = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number) as [operations: number, elapsed: number]);
  return {
    operations: slices.reduce((total, [operations]) => total + operations, 0),
    elapsed: slices.reduce((total, [, elapsed]) => total + elapsed, 0),
  };
}

import { finish } from '../process.js';
import type { Work, Workload } from '../workload.js';

const GROUPS = 2;
/** Of each group: so many send to as many. */
const SENDERS = 20;
/** Messages of each sender to each receiver, in the run that finds the speed. */
const TRIAL = 50;

export const hackbench: Workload = {
  name: 'hackbench',
  title: 'message between processes (hackbench)',
  packages: ['rt-tests'],
  async start(site, place) {
    const { client } = site.spots(place);
    const messages = async (loops: number): Promise<Work> => {
      const command = ['hackbench', '-g', String(GROUPS), '-l', String(loops)] as const;
      return {
        operations: GROUPS * SENDERS ** 2 * loops,
        elapsed: elapsedOf(await finish(command, site.stop, client)),
      };
    };
    const { elapsed } = await messages(TRIAL);
    return {
      run: (seconds) => messages(Math.ceil((TRIAL * seconds * 1e9) / elapsed)),
      stop: () => Promise.resolve(),
    };
  },
};

/** Of the output of hackbench: `Time: 0.412`, in s. @returns ns */
export function elapsedOf(output: string): number {
  const seconds = Number(/^Time: ([\d.]+)/m.exec(output)?.[1]);
  if (!(seconds > 0)) throw new Error(`hackbench gave no time: ${output.trim()}`);
  return seconds * 1e9;
}

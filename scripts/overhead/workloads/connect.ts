import { finish } from '../process.js';
import { ADDRESS } from '../site.js';
import type { Workload } from '../workload.js';

export const connect: Workload = {
  name: 'connect',
  title: 'TCP connection between two containers',
  packages: [],
  target: { kind: 'node', most: 1.1 },
  targetIn: ['containers'],
  events: { connections: 1 },
  async start(site, place) {
    const pair = await site.workshop.compile('pair');
    const { server, client } = site.spots(place);
    const spots = [server.cgroup, server.network, client.cgroup, client.network] as const;
    return {
      run: async (seconds) => {
        const output = await finish([pair, ...spots, ADDRESS, String(Math.ceil(seconds * 1000))], site.stop);
        const [operations, elapsed] = output.split(' ').map(Number) as [number, number];
        return { operations, elapsed };
      },
      stop: () => Promise.resolve(),
    };
  },
};

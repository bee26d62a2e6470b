import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Background, finish } from '../process.js';
import { ADDRESS } from '../site.js';
import type { Work, Workload } from '../workload.js';

const CONNECTIONS = '16';
const PORT = 8081;

export const nginx: Workload = {
  name: 'nginx',
  title: 'nginx with wrk, 16 connections kept alive',
  packages: ['nginx', 'wrk'],
  target: { kind: 'rate', least: 0.99 },
  async start(site, place) {
    const { server, client } = site.spots(place);
    const { folder } = site.workshop;
    const configuration = path.join(folder, `nginx-${place}.conf`);
    const pidFile = path.join(folder, `nginx-${place}.pid`);
    writeFileSync(configuration, configurationText(folder, pidFile));
    const background = await Background.start({
      name: 'nginx',
      command: ['nginx', '-e', 'stderr', '-c', configuration],
      spot: server,
      ready: { file: pidFile },
      log: path.join(folder, 'nginx.log'),
      stop: site.stop,
    });
    return {
      run: async (seconds) => {
        const duration = `${Math.max(1, Math.round(seconds))}s`;
        const url = `http://${ADDRESS}:${PORT}/`;
        const command = ['wrk', '-t', '1', '-c', CONNECTIONS, '-d', duration, url] as const;
        return workOf(await finish(command, site.stop, client));
      },
      stop: () => background.stop(),
    };
  },
};

function configurationText(folder: string, pidFile: string): string {
  const parts = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
user root;
worker_processes 1;
pid ${pidFile};
events { worker_connections 512; }
http {
  access_log off;
  keepalive_requests 100000000;
${parts.map((part) => `  ${part}_temp_path ${folder}/nginx-${part};`).join('\n')}
  server {
    listen ${ADDRESS}:${PORT};
    location / { return 200 "ok\\n"; }
  }
}
`;
}

/** Of the output of wrk: `  52341 requests in 1.00s, 8.22MB read` and `Requests/sec:  52123.04`. */
export function workOf(output: string): Work {
  const operations = Number(/(\d+) requests in/.exec(output)?.[1]);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]);
  if (!(operations > 0 && rate > 0)) throw new Error(`wrk made no requests: ${output.trim()}`);
  return { operations, elapsed: (operations * 1e9) / rate };
}

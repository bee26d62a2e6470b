import { appendFileSync, chmodSync, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Background, finish } from '../process.js';
import { ADDRESS } from '../site.js';
import type { Command } from '../spot.js';
import type { Work, Workload } from '../workload.js';

const VERSIONS = '/usr/lib/postgresql';
const CLIENTS = 2;
/** Transactions of the run that finds the speed. */
const TRIAL = 100;
/** It refuses to run as root. */
const AS_POSTGRES = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] as const;

export const postgres: Workload = {
  name: 'pgbench',
  title: 'PostgreSQL, a connection for each SELECT (pgbench -C)',
  packages: ['postgresql'],
  target: { kind: 'rate', least: 0.99 },
  events: { connections: 1 },
  async start(site, place) {
    const { server, client } = site.spots(place);
    const { folder } = site.workshop;
    const data = path.join(folder, `postgres-${place}`);
    const program = programFolder();
    const asPostgres = (...command: string[]) => finish([...AS_POSTGRES, ...command], site.stop);
    // Of mkdtemp: for its owner alone.
    chmodSync(folder, 0o755);
    await finish(['install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '700', data], site.stop);
    await asPostgres(path.join(program, 'initdb'), '-D', data, '-A', 'trust', '--no-sync');
    appendFileSync(path.join(data, 'pg_hba.conf'), `host all all ${ADDRESS}/24 trust\n`);
    const settings = ['fsync=off', `listen_addresses=${ADDRESS}`, `unix_socket_directories=${data}`];
    const background = await Background.start({
      name: 'postgres',
      command: [
        ...AS_POSTGRES,
        path.join(program, 'postgres'),
        ...['-D', data],
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      spot: server,
      ready: { line: 'ready to accept connections' },
      log: path.join(folder, 'postgres.log'),
      stop: site.stop,
    });
    const pgbench: Command = [path.join(program, 'pgbench'), '-h', ADDRESS, '-U', 'postgres'];
    const transactions = async (each: number): Promise<Work> => {
      const how = ['-C', '-S', '-n', '-c', String(CLIENTS), '-t', String(each)];
      return workOf(await finish([...pgbench, ...how, 'postgres'], site.stop, client));
    };
    try {
      await finish([...pgbench, '-i', '-q', 'postgres'], site.stop, client);
      const { elapsed } = await transactions(TRIAL);
      return {
        run: (seconds) => transactions(Math.ceil((TRIAL * seconds * 1e9) / elapsed)),
        stop: () => background.stop('SIGINT'),
      };
    } catch (error) {
      await background.stop('SIGINT');
      throw error;
    }
  },
};

/** Of its newest version. */
function programFolder(): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).map(Number) : [];
  if (versions.length === 0) throw new Error(`No PostgreSQL is in ${VERSIONS}.`);
  return path.join(VERSIONS, String(Math.max(...versions)), 'bin');
}

/** Of the output of pgbench: `number of transactions actually processed: 200/200` and `tps = 312.4 (…)`. */
export function workOf(output: string): Work {
  const operations = Number(/transactions actually processed: (\d+)/.exec(output)?.[1]);
  const rate = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
  if (!(operations > 0 && rate > 0)) throw new Error(`pgbench made no transactions: ${output.trim()}`);
  return { operations, elapsed: (operations * 1e9) / rate };
}

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Collector } from './collector.js';
import { scratchFolder } from './workload.js';

/** Names that the guide has for where the daemon is. */
const HOSTS = ['collector', 'localhost'];
const PORTS = { HTTP: 8080, Metrics: 9090 } as const;

/** What the users' troubleshooting guide has, in its order. */
export const headings = [
  'First Steps',
  'Diagnostic Bundle',
  'Pod Status',
  'Collector Start Up',
  'Common Error Conditions',
  'Unable to Connect to Sensor',
  'No Kernel Driver Available',
  'Failed to load the Kernel Driver',
  'Troubleshooting using performance counters',
  'Network status notifier timers',
  'Network status notifier counters',
  'system_inspector counters',
  'system_inspector timers per syscall',
  'Process lineage statistics',
  'Connection statistics',
  'Total number of known connections',
  'Rate of connection creation',
  'Troubleshooting using gperftools',
  'Benchmark CI step',
  'Introspection endpoints',
  'Container metadata endpoint',
  'Network endpoint',
] as const;

/** Its containers. */
export const CONTAINERS = { listening: '01e8c0454972', calling: 'c6f030bc4b42' } as const;

export const curlCommands = [
  'curl -X POST -d "on" collector:8080/profile/heap',
  'curl -X POST -d "off" collector:8080/profile/heap',
  'curl collector:8080/profile/heap',
  `curl collector:8080/state/containers/${CONTAINERS.listening}`,
  `curl "localhost:8080/state/containers/${CONTAINERS.listening}"`,
  `curl "http://<collector>:8080/state/network/connection?container=${CONTAINERS.calling}&normalize=false"`,
] as const;

/** The names of its tables and lists of metrics, by heading. */
export const metricNames: Readonly<Partial<Record<(typeof headings)[number], readonly string[]>>> = {
  'Network status notifier timers': [
    'net_scrape_read',
    'net_scrape_update',
    'net_fetch_state',
    'net_create_message',
    'net_write_message',
    'process_info_wait',
  ],
  'Network status notifier counters': [
    'net_conn_updates',
    'net_conn_deltas',
    'net_conn_inactive',
    'net_cep_updates',
    'net_cep_deltas',
    'net_cep_inactive',
    'net_known_ip_networks',
    'net_known_public_ips',
    'process_lineage_counts',
    'process_lineage_total',
    'process_lineage_sqr_total',
    'process_lineage_string_total',
    'process_info_hit',
    'process_info_miss',
    'rate_limit_flushing_counts',
  ],
  'system_inspector counters': [
    'kernel',
    'drops',
    'threadCacheDrops',
    'ringbufferDrops',
    'preemptions',
    'userspace[syscall]',
    'grpcSendFailures',
    'threadCacheSize',
    'processSent',
    'processSendFailures',
    'processResolutionFailuresByEvt',
    'processResolutionFailuresByTinfo',
    'processRateLimitCount',
    'parse_micros[syscall]',
    'process_micros[syscall]',
    'procfs_could_not_get_network_namespace',
    'procfs_could_not_get_socket_inodes',
    'procfs_could_not_open_fd_dir',
    'procfs_could_not_open_pid_dir',
    'procfs_could_not_open_proc_dir',
    'procfs_could_not_read_cmdline',
    'procfs_could_not_read_exe',
    'event_timestamp_distant_past',
    'event_timestamp_future',
  ],
  'Process lineage statistics': ['lineage_avg_string_len', 'std_dev'],
};

/**
 * Runs a command of the guide, or one like it, as it stands, `collector` and `localhost` being this daemon.
 * @param folder where the command runs
 * @returns what it wrote to standard output; curl must have got an answer that is no error
 */
export async function guide(
  collector: Collector,
  command: string,
  folder = scratchFolder(),
): Promise<Buffer> {
  const home = path.join(scratchFolder(), 'curl', String(collector.pid));
  mkdirSync(home, { recursive: true });
  const ways = Object.entries(PORTS).flatMap(([what, port]) =>
    HOSTS.map((host) => `connect-to = "${host}:${port}:${collector.address(what as keyof typeof PORTS)}"`),
  );
  writeFileSync(path.join(home, '.curlrc'), ['silent', 'show-error', 'fail', ...ways, ''].join('\n'));
  const env = { ...process.env, CURL_HOME: home, PPROF_TMPDIR: folder };
  const script = command.replaceAll('<collector>', 'collector');
  const options = { encoding: 'buffer', env, cwd: folder, maxBuffer: 1e8 } as const;
  return (await promisify(execFile)('bash', ['-o', 'pipefail', '-c', script], options)).stdout;
}

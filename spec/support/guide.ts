import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Collector } from './collector.js';

/**
 * Runs a curl command of the troubleshooting guide as it stands there, `collector:8080` being this daemon.
 * @returns what the daemon answered, which must be no error
 */
export async function guide(collector: Collector, command: string): Promise<Buffer> {
  const [program, ...args] = command.replaceAll('"', '').split(' ') as [string, ...string[]];
  const to = ['--silent', '--fail', '--connect-to', `collector:8080:${collector.address('HTTP')}`];
  return (await promisify(execFile)(program, [...to, ...args], { encoding: 'buffer' })).stdout;
}

import { spawnSync } from 'node:child_process';
import path from 'node:path';

const SETUP = path.join(import.meta.dirname, '../setup.sh');

/**
 * Installs the missing ones of some Debian packages, and says so.
 * @returns why they can not be had; undefined: all are there
 */
export function packageProblem(packages: readonly string[], install: boolean): string | undefined {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return undefined;
  if (!install) return `${missing.join(', ')} not installed`;
  const { status, stderr } = spawnSync(SETUP, ['packages', ...missing], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  process.stderr.write(stderr);
  if (status === 0) return undefined;
  return `${missing.join(', ')} can not be installed: ${stderr.trim().split('\n').at(-1)}`;
}

function isInstalled(name: string): boolean {
  const format = '--showformat=${db:Status-Status}';
  const { stdout } = spawnSync('dpkg-query', ['--show', format, name], { encoding: 'utf8' });
  // Without dpkg there is no output at all.
  return typeof stdout === 'string' && stdout.startsWith('installed');
}

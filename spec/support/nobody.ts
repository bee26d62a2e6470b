import { runToEnd } from './collector.js';
import { isRoot } from './requirements.js';

/** What starts a command as a user without any right; nothing if the specs run as one. */
export const asNobody = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] : [];

/** Whether such a user can read the daemon, which lies where the repository does. */
export async function nobodyCanRead(): Promise<boolean> {
  const { code } = await runToEnd(['--version'], { through: asNobody });
  return code === 0;
}

/** Capabilities of the chart's pod. */
export const LEAST = ['bpf', 'perfmon', 'net_admin'];

/** Starts a command as a user who is not root, with these capabilities and no way to any other. */
export function asUserWith(names: readonly string[]): string[] {
  const set = ['-all', ...names.map((name) => `+${name}`)].join();
  const sets = [`--inh-caps=${set}`, `--ambient-caps=${set}`, `--bounding-set=${set}`];
  return ['setpriv', '--reuid=65532', '--regid=65532', '--clear-groups', ...sets, '--'];
}

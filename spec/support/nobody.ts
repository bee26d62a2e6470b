import { runToEnd } from './collector.js';
import { isRoot } from './requirements.js';

/** What starts a command as a user without any right; nothing if the specs run as one. */
export const asNobody = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] : [];

/** Whether such a user can read the daemon, which lies where the repository does. */
export async function nobodyCanRead(): Promise<boolean> {
  const { code } = await runToEnd(['--version'], { through: asNobody });
  return code === 0;
}

import type { WarmUp } from './plan.js';
import type { Site } from './site.js';

/** A second: well below what Collector takes. */
const EXECS = 4000;
const CONNECTIONS = 20_000;
const CONTAINERS = 10;

/** Feeds execs and connections until V8 has compiled most of the code. */
export async function warmUp(site: Site, { execs, connections }: WarmUp): Promise<void> {
  await site.feed({ kind: 'exec', count: execs, rate: EXECS, containers: CONTAINERS });
  await site.feed({ kind: 'connection', count: connections, rate: CONNECTIONS, containers: CONTAINERS });
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent, RunningAgent, Seen } from './agent.js';
import type { Age, Block, Costs } from './block.js';
import type { Place, Site } from './site.js';
import type { OperationEvents, RunningWorkload, Workload } from './workload.js';

/** How long a block takes. */
export interface Durations {
  /** Of a measured run, s. */
  readonly seconds: number;
  /** Before the run with an agent that has compiled its hot path, s. */
  readonly warmUp: number;
}

/** After a run, until agents have taken everything in: Collector comes by every 100 ms. */
const SETTLE_MS = 250;

/**
 * One life of an agent between two runs without it, so a machine that becomes slower or faster by and by shows in
 * neither direction. No run is shared with another block: blocks are independent.
 *
 * @throws Error if the agent did not see the load: its figure would be of less work
 */
export async function measureBlock(
  site: Site,
  { workload, place, running }: { workload: Workload; place: Place; running: RunningWorkload },
  agent: Agent,
  { seconds, warmUp }: Durations,
): Promise<Block> {
  let made = 0;
  const measure = async () => {
    const { costs, operations } = await measureRun(site, running, seconds);
    made += operations;
    return costs;
  };
  const before = await measure();
  made = 0;
  const ages: Partial<Record<Age, Costs>> = {};
  const life = await agent.start(site);
  const seen = await endOf(life, async () => {
    if (agent.ages && workload.events !== undefined) ages.young = await measure();
    if (agent.ages) made += (await running.run(warmUp)).operations;
    ages.warm = await measure();
  });
  if (seen !== undefined && place === 'containers') checkSeen(agent.name, seen, made, workload.events);
  return {
    workload: workload.name,
    place,
    agent: agent.name,
    before,
    ages,
    after: await measure(),
    lost: seen?.lost ?? 0,
  };
}

/** Costs of an operation, with all that it left to do. */
async function measureRun(
  site: Site,
  running: RunningWorkload,
  seconds: number,
): Promise<{ readonly costs: Costs; readonly operations: number }> {
  const before = site.processorTime();
  const { operations, elapsed } = await running.run(seconds);
  await sleep(SETTLE_MS, undefined, { signal: site.stop });
  const after = site.processorTime();
  const each = (key: keyof typeof before) => Math.max(0, after[key] - before[key]) / operations;
  const [work, agent, kernel] = [each('work'), each('agent'), each('kernel')];
  return { costs: { clock: elapsed / operations, work, agent, kernel }, operations };
}

/** Ends a life after the action, in good order or not. */
async function endOf(life: RunningAgent, action: () => Promise<void>): Promise<Seen | undefined> {
  try {
    await action();
  } catch (error) {
    await life.stop().catch(() => undefined);
    throw error;
  }
  return life.stop();
}

function checkSeen(
  agent: string,
  { processes, records, lost }: Seen,
  made: number,
  { execs = 0, connections = 0 }: OperationEvents = {},
): void {
  const check = (what: string, seen: number, expected: number) => {
    if (seen + lost < expected)
      throw new Error(`${agent} saw only ${seen} of ${expected} ${what}, and counted ${lost} as lost.`);
  };
  check('started programs', processes, made * execs);
  check('connections', records, made * connections);
}

import { Workshop } from '../bench/workshop.js';
import { Progress } from '../progress.js';
import { durationOf, measureRun, type Build, type Plan, type Run } from './run.js';
import { Workloads } from './workloads.js';

/**
 * Runs builds in turn under the same loads, with its progress on standard error.
 * @param stop ends it early, with an error
 * @returns the runs of each build, one a round, in the order of `builds`
 */
export async function measureRounds(
  builds: readonly Build[],
  plan: Plan,
  rounds: number,
  stop: AbortSignal,
): Promise<readonly (readonly Run[])[]> {
  const runs = new Map<Build, Run[]>(builds.map((build) => [build, []]));
  const progress = new Progress(rounds * builds.length * durationOf(plan));
  const workshop = new Workshop(stop);
  try {
    const workloads = await Workloads.prepare(workshop);
    for (let round = 0; round < rounds; round++) {
      // Turned round each time, so that a drift of the machine hits all alike.
      for (const build of round % 2 === 0 ? builds : builds.toReversed()) {
        progress.begin(`${build.name}, round ${round + 1} of ${rounds}`);
        runs.get(build)!.push(await measureRun(build, workloads, plan, progress, stop));
        progress.done(durationOf(plan));
      }
    }
    return [...runs.values()];
  } finally {
    await workshop.close();
  }
}

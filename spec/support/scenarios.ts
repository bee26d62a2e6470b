import { activities } from './scenarios/activities.js';
import { conditions } from './scenarios/conditions.js';
import type { Scenarios } from './scenarios/scenario.js';
import { Stage } from './stage.js';

/** All runs of the corpus, by the names of their recordings. */
export const scenarios: Scenarios = { ...activities, ...conditions };

/** Plays a scenario. @returns the output of the Collector, and the short ids of the scenario's containers */
export async function perform(name: string, ...args: readonly string[]) {
  const stage = new Stage(args);
  try {
    await scenarios[name]!.play(stage);
    return { stdout: stage.stdout, containers: stage.containers };
  } finally {
    await stage.remove();
  }
}

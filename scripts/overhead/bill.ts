import type { Agent } from './agent.js';
import type { Plan } from './arguments.js';
import type { Block } from './block.js';
import { figuresOf } from './figures.js';
import type { Journal } from './journal.js';
import { packageProblem } from './packages.js';
import { Progress } from '../progress.js';
import type { Bill, Skipped } from './report.js';
import { measureBlock } from './rounds.js';
import { places, Site, type Place } from './site.js';
import type { Target } from './verdict.js';
import type { RunningWorkload, Workload } from './workload.js';
import { workloads } from './workloads.js';

/** For the time left: a start and an end of an agent, and the rest after a run, s. */
const LIFE = 2;
const REST = 0.35;

/** Lives of agents still to be measured at a workload in a place. */
interface Task {
  readonly workload: Workload;
  readonly place: Place;
}

/** Measures what is missing in the journal. @param stop ends it, with its reason as the error */
export async function measureBill(
  plan: Plan,
  agents: readonly Agent[],
  journal: Journal,
  stop: AbortSignal,
): Promise<Bill> {
  const chosen = workloads.filter(({ name }) => plan.workloads.includes(name));
  const skipped = new Map<string, string>();
  const site = await Site.make(stop);
  try {
    const ready = await readyAgents(site, agents, plan.install, skipped);
    const tasks = chosen
      .filter((workload) => canBeHad(workload, plan.install, skipped))
      .flatMap((workload) => plan.places.map((place) => ({ workload, place })));
    await new Run(site, plan, ready, journal).measure(tasks, skipped);
  } finally {
    for (const agent of agents) await agent.close?.();
    await site.close();
  }
  const { seconds, warmUp } = plan;
  return {
    seconds,
    warmUp,
    agents: agents.filter(({ name }) => !skipped.has(name)).map(({ name, task }) => ({ name, task })),
    titles: Object.fromEntries(workloads.map(({ name, title }) => [name, title])),
    figures: figuresOf(inOrder(journal.blocks), targetOf),
    skipped: [...skipped].map(([name, why]): Skipped => ({ name, why })),
  };
}

/** All the rounds of one call. */
class Run {
  readonly #site: Site;
  readonly #plan: Plan;
  readonly #agents: readonly Agent[];
  readonly #journal: Journal;
  readonly #end: number;

  constructor(site: Site, plan: Plan, agents: readonly Agent[], journal: Journal) {
    this.#site = site;
    this.#plan = plan;
    this.#agents = agents;
    this.#journal = journal;
    this.#end = performance.now() + plan.minutes * 60_000;
  }

  async measure(tasks: readonly Task[], skipped: Map<string, string>): Promise<void> {
    const progress = new Progress(tasks.reduce((sum, task) => sum + this.#planned(task), 0));
    for (const task of tasks) {
      if (this.#planned(task) === 0 || this.#isOver) continue;
      let running: RunningWorkload;
      try {
        running = await task.workload.start(this.#site, task.place);
      } catch (error) {
        this.#site.stop.throwIfAborted();
        skipped.set(task.workload.name, (error as Error).message);
        continue;
      }
      try {
        await this.#rounds(task, running, progress);
      } finally {
        await running.stop();
      }
    }
  }

  /** Agents take turns in being first. */
  async #rounds(task: Task, running: RunningWorkload, progress: Progress): Promise<void> {
    const { workload, place } = task;
    for (let round = 0; round < this.#plan.rounds && !this.#isOver; round++) {
      const first = round % this.#agents.length;
      const order = [...this.#agents.slice(first), ...this.#agents.slice(0, first)];
      for (const agent of order) {
        if (this.#journal.count(workload.name, place, agent.name) > round) continue;
        progress.begin(
          `${workload.name}, ${place}, round ${round + 1} of ${this.#plan.rounds}, ${agent.name}`,
        );
        this.#journal.add(await measureBlock(this.#site, { ...task, running }, agent, this.#plan));
        progress.done(this.#lifeOf(agent, workload));
      }
    }
  }

  /** Estimated, s. */
  #planned({ workload, place }: Task): number {
    return this.#agents.reduce((sum, agent) => {
      const done = this.#journal.count(workload.name, place, agent.name);
      return sum + Math.max(0, this.#plan.rounds - done) * this.#lifeOf(agent, workload);
    }, 0);
  }

  #lifeOf({ ages }: Agent, { events }: Workload): number {
    const runs = ages && events !== undefined ? 4 : 3;
    return LIFE + runs * (this.#plan.seconds + REST) + (ages ? this.#plan.warmUp : 0);
  }

  get #isOver(): boolean {
    return performance.now() >= this.#end;
  }
}

function canBeHad(workload: Workload, install: boolean, skipped: Map<string, string>): boolean {
  const problem = packageProblem(workload.packages, install);
  if (problem !== undefined) skipped.set(workload.name, problem);
  return problem === undefined;
}

/** Starts each agent once: one that this kernel does not take is left out. */
async function readyAgents(
  site: Site,
  agents: readonly Agent[],
  install: boolean,
  skipped: Map<string, string>,
): Promise<Agent[]> {
  const ready: Agent[] = [];
  for (const agent of agents) {
    const problem = packageProblem(agent.packages, install) ?? (await startProblem(site, agent));
    if (problem === undefined) {
      ready.push(agent);
      continue;
    }
    skipped.set(agent.name, problem);
    process.stderr.write(`… without ${agent.name}: ${problem}\n`);
  }
  if (ready.length === 0) throw new Error('No agent could be started.');
  return ready;
}

async function startProblem(site: Site, agent: Agent): Promise<string | undefined> {
  try {
    const life = await agent.start(site);
    await life.stop();
    return undefined;
  } catch (error) {
    site.stop.throwIfAborted();
    return (error as Error).message;
  }
}

/** As in the table of workloads; agents as they were measured first. */
function inOrder(blocks: readonly Block[]): Block[] {
  const names = workloads.map(({ name }) => name);
  const rank = ({ workload, place }: Block) =>
    names.indexOf(workload) * places.length + places.indexOf(place);
  return blocks.toSorted((a, b) => rank(a) - rank(b));
}

/** Targets are Collector's own. */
function targetOf({ workload, place, agent }: Block): Target | undefined {
  const { target, targetIn } = workloads.find(({ name }) => name === workload) ?? {};
  return agent === 'collector' && (targetIn?.includes(place) ?? true) ? target : undefined;
}

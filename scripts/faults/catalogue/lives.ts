/** Ends and beginnings of Collector's lives. */
import { setTimeout as sleep } from 'node:timers/promises';
import { addCounts, NONE } from '../counts.js';
import { conclude, findingsOf, paceOf, type Fault, type Findings, type Plan } from '../fault.js';
import { addLosses, imbalance, type Ledger } from '../ledger.js';
import type { Life } from '../life.js';
import { Scene, type StartOptions } from '../scene.js';

/** A state of Collector, for SIGTERM to come in. */
interface Phase {
  readonly name: string;
  /** Brings the scene there before Collector is started. */
  readonly before?: (scene: Scene) => unknown;
  readonly start?: (scene: Scene) => StartOptions;
  /** The last line before SIGTERM; without it, a load has run for a while. */
  readonly line?: RegExp;
  /** Happens to Sensor while the load runs. */
  readonly during?: (scene: Scene) => unknown;
}

const LOAD_MS = 2000;

const phases: readonly Phase[] = [
  { name: 'the start', line: /Starting StackRox Collector/ },
  {
    name: 'the search for Sensor',
    before: ({ sensor }) => sensor.refuse(),
    line: /Not connected to Sensor yet/,
  },
  {
    name: 'a TLS handshake without an answer',
    before: ({ way }) => way.swallow(),
    start: ({ way }) => ({ server: way.address }),
    line: /Attempting to connect to Sensor/,
  },
  { name: 'loading', line: /Successfully connected to Sensor/ },
  { name: 'the self-check', line: /Driver loaded into kernel\? true/ },
  { name: 'collecting' },
  { name: 'collecting with Sensor gone', during: ({ sensor }) => sensor.refuse() },
  { name: 'collecting while Sensor hangs', during: ({ sensor }) => sensor.stall('signals', 'network') },
  {
    name: 'collecting with a half-open way',
    start: ({ way }) => ({ server: way.address }),
    during: ({ way }) => way.swallow(),
  },
];

export const lifeFaults: readonly Fault[] = [
  {
    name: 'sigterm',
    title: `SIGTERM in every phase: ${phases.map(({ name }) => name).join(', ')}`,
    seconds: { long: 40, short: 20 },
    run: endInEveryPhase,
  },
  {
    name: 'killed',
    title: 'Collector is killed (SIGKILL) and started again',
    seconds: { long: 20, short: 3 },
    run: (plan) =>
      withScene(async (scene) => {
        const first = await scene.collect();
        await scene.load.start(paceOf(plan));
        await sleep((plan.seconds * 1000) / 2);
        await first.remove();
        await scene.collect();
        await sleep((plan.seconds * 1000) / 2);
        return conclude(scene, await scene.load.stop(), { plan, expects: [], unwatched: 1 });
      }),
  },
  {
    name: 'upgrade',
    title: 'another Collector starts beside it, and it ends',
    seconds: { long: 20, short: 3 },
    run: (plan) =>
      withScene(async (scene) => {
        const first = await scene.collect();
        await scene.load.start(paceOf(plan));
        await sleep((plan.seconds * 1000) / 2);
        await scene.collect();
        const code = await first.stop();
        await sleep((plan.seconds * 1000) / 2);
        const made = await scene.load.stop();
        first.readLastWords(made.connections);
        const findings = await conclude(scene, made, { plan, expects: [] });
        return code === 0 ? findings : { ...findings, problems: [`The first ended with ${code}`] };
      }),
  },
];

async function withScene<T>(action: (scene: Scene) => Promise<T>): Promise<T> {
  const scene = await Scene.set();
  try {
    return await action(scene);
  } finally {
    await scene.remove();
  }
}

/** Ends a Collector of its own in each phase; the ledgers are added up. */
async function endInEveryPhase(plan: Plan): Promise<Findings> {
  const problems: string[] = [];
  const lives: Life[] = [];
  let sum: Ledger = { made: NONE, delivered: NONE, unwatched: NONE, losses: [], isShared: false };
  for (const phase of phases) {
    await withScene(async (scene) => {
      const ledger = await endIn(phase, scene, plan, problems);
      if (imbalance(ledger) !== 0) problems.push(`${phase.name}: ${imbalance(ledger)} unaccounted`);
      sum = {
        made: addCounts(sum.made, ledger.made),
        delivered: addCounts(sum.delivered, ledger.delivered),
        unwatched: NONE,
        losses: addLosses([...sum.losses, ...ledger.losses]),
        isShared: sum.isShared || ledger.isShared,
      };
      lives.push(...scene.lives);
    });
  }
  return { ...findingsOf(lives, sum, { plan, expects: [] }), problems };
}

async function endIn(phase: Phase, scene: Scene, plan: Plan, problems: string[]): Promise<Ledger> {
  const { before, start, line, during } = phase;
  await before?.(scene);
  const options = start?.(scene);
  const life = line === undefined ? await scene.collect(options) : scene.start(options);
  let made = NONE;
  if (line === undefined) {
    await scene.load.start(paceOf(plan));
    await sleep(LOAD_MS / 2);
    await during?.(scene);
    await sleep(LOAD_MS / 2);
    made = await scene.load.stop();
    await life.look();
  } else {
    await life.says(line);
  }
  const code = await life.stop();
  if (code !== 0) problems.push(`${phase.name}: SIGTERM ends it with ${code ?? 'no exit code'}`);
  life.readLastWords(made.connections);
  return scene.ledger(made);
}

/** Ends and beginnings of Collector's lives. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NONE } from '../counts.js';
import { conclude, findingsOf, paceOf, type Fault } from '../fault.js';
import { Scene, type StartOptions } from '../scene.js';

/** A state of Collector, for SIGTERM to come in. */
interface Phase {
  readonly name: string;
  readonly title: string;
  /** Brings the scene there before Collector is started. */
  readonly before?: (scene: Scene) => unknown;
  readonly start?: (scene: Scene) => StartOptions;
  /** The last line before SIGTERM; without it, a load has run for a while. */
  readonly line?: RegExp;
  /** Happens to Sensor while the load runs. */
  readonly during?: (scene: Scene) => unknown;
  /** Whether the kernel may end it: nobody handles the signal yet. */
  readonly endsBySignal?: boolean;
}

const phases: readonly Phase[] = [
  { name: 'start', title: 'with the first lines', line: /Starting StackRox Collector/, endsBySignal: true },
  {
    name: 'searching',
    title: 'in the search for Sensor',
    before: ({ sensor }) => sensor.refuse(),
    line: /Not connected to Sensor yet/,
  },
  {
    name: 'handshake',
    title: 'in a TLS handshake without an answer',
    before: ({ way }) => way.swallow(),
    start: ({ way }) => ({ server: way.address }),
    line: /Attempting to connect to Sensor/,
  },
  { name: 'loading', title: 'while programs are loaded', line: /Successfully connected to Sensor/ },
  { name: 'self-check', title: 'in the self-check', line: /Driver loaded into kernel\? true/ },
  { name: 'collecting', title: 'while it collects' },
  { name: 'sensor-gone', title: 'with Sensor gone', during: ({ sensor }) => sensor.refuse() },
  {
    name: 'sensor-hanging',
    title: 'while Sensor hangs',
    during: ({ sensor }) => sensor.stall('signals', 'network'),
  },
  {
    name: 'half-open',
    title: 'with a half-open way to Sensor',
    start: ({ way }) => ({ server: way.address }),
    during: ({ way }) => way.swallow(),
  },
];

export const lifeFaults: readonly Fault[] = [
  ...phases.map(endedIn),
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
        return conclude(scene, await scene.load.stop(), { expects: [], unwatched: 1 });
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
        const findings = await conclude(scene, made, { expects: [] });
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

/** Ends a Collector by SIGTERM in a phase, at once after the load. */
function endedIn({ name, title, before, start, line, during, endsBySignal = false }: Phase): Fault {
  const isUnderLoad = line === undefined;
  return {
    name: `sigterm-${name}`,
    title: `SIGTERM comes ${title}`,
    seconds: isUnderLoad ? { long: 10, short: 2 } : { long: 1, short: 1 },
    run: (plan) =>
      withScene(async (scene) => {
        await before?.(scene);
        const options = start?.(scene);
        const life = isUnderLoad ? await scene.collect(options) : scene.start(options);
        let made = NONE;
        if (isUnderLoad) {
          await scene.load.start(paceOf(plan));
          await sleep((plan.seconds * 1000) / 2);
          await during?.(scene);
          await sleep((plan.seconds * 1000) / 2);
          made = await scene.load.stop();
          await life.look();
        } else {
          await life.says(line);
        }
        const code = await life.stop();
        life.readLastWords(made.connections);
        const problems = code === 0 || (code === null && endsBySignal) ? [] : [`its exit code is ${code}`];
        return { ...findingsOf(scene.lives, scene.ledger(made), { expects: [] }), problems };
      }),
  };
}

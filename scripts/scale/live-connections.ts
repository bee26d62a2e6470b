import { own, type Figure } from '../bench/figures.js';
import { medianOf } from '../bench/statistics.js';
import type { Curve, Origin, PartResult, Point } from './data.js';
import type { Plan } from './plan.js';
import { Site, type Bench } from './site.js';
import type { TickClock } from './tick-clock.js';
import { warmUp } from './warm-up.js';

/** Connections fed a second, and in all between two ticks: in a long tick they would fill the rings. */
const RATE = 100_000;
const AT_ONCE = 400_000;
/** Connections of a container reported in a minute (Collector's default): the rest waits for later ticks. */
const REPORTED_A_MINUTE = 2048;
/** After a tick, ms: it is over by then, however many connections there are. */
const AFTER_TICK = 3000;
/** Before a tick, ms. */
const BEFORE_TICK = 500;
/** Less than this is lost in what Collector takes at rest, ms. */
const LEAST_TICK = 0.1;
const NS_PER_MS = 1e6;
const MEGABYTES: ReadonlyMap<number, number> = new Map([
  [10_000, 80],
  [1_000_000, 256],
]);
const LONGEST_HOLD = 20;

/** Holds more connections, until there are so many. @returns ends them */
type Hold = (connections: number) => Promise<(() => Promise<void>) | undefined>;

/** What live connections cost, by the kernel's own sockets. */
export async function sockets(bench: Bench, plan: Plan): Promise<PartResult> {
  const hold: Hold = async (count) => bench.workshop.hold(count, { count: plan.holders });
  const { curves, figures } = await liveConnections(bench, plan, 'kernel', plan.sockets, () => hold);
  return { curves, figures: [...figures, ...(await memoryAtRest(bench, plan, hold))] };
}

/** The memory of a Collector that has seen no load but its connections. */
async function memoryAtRest(bench: Bench, plan: Plan, hold: Hold): Promise<Figure[]> {
  return Site.during(bench, { interval: plan.interval }, async (site) => {
    const clock = await site.ticks(plan.interval);
    const count = Math.max(...plan.sockets);
    const release = await hold(count);
    await reported(clock, count, plan);
    const { now } = site.daemon.memory();
    await release?.();
    return [own(`memory at ${count} connections, before any load`, 'MB', now, MEGABYTES.get(count))];
  });
}

/** The same by records in the kernel's rings, since this machine has no room for a million sockets. */
export async function fed(bench: Bench, plan: Plan): Promise<PartResult> {
  return liveConnections(bench, plan, 'rings', plan.fed, (site, clock) => {
    let held = 0;
    return async (connections) => {
      while (held < connections) {
        const count = Math.min(connections - held, AT_ONCE);
        await clock.after(AFTER_TICK);
        const { lost } = await site.feed({ kind: 'hold', count, rate: RATE, containers: plan.holders });
        if (lost > 0)
          throw new Error(`${lost} records had no room in the rings: the figures would be too good.`);
        held += count;
      }
      return undefined;
    };
  });
}

async function liveConnections(
  bench: Bench,
  plan: Plan,
  origin: Origin,
  counts: readonly number[],
  holdIn: (site: Site, clock: TickClock) => Hold,
): Promise<PartResult> {
  return Site.during(bench, { interval: plan.interval }, async (site) => {
    await warmUp(site, plan.warmUp);
    const clock = await site.ticks(plan.interval);
    const hold = holdIn(site, clock);
    const costs = new Map<number, Costs>();
    for (const count of counts) {
      const release = await hold(count);
      await reported(clock, count, plan);
      costs.set(count, await costsOf(site, clock, plan));
      await release?.();
    }
    return { curves: curves(costs, origin), figures: origin === 'rings' ? figures(costs) : [] };
  });
}

/** Waits until Sensor has got all connections, as far as the limit of new ones lets them through. */
async function reported(clock: TickClock, count: number, plan: Plan): Promise<void> {
  const each = Math.floor((REPORTED_A_MINUTE / 60) * plan.interval);
  const ticks = Math.ceil(count / plan.holders / each);
  for (let tick = 0; tick < ticks; tick++) await clock.after(AFTER_TICK);
}

/** Medians over the rounds; ms of processor time, MB. */
interface Costs {
  readonly execs: number;
  readonly connections: number;
  readonly tick: number;
  readonly memory: number;
  /** Longest hold of the loop around a tick, ms by the clock. */
  readonly hold: number;
}

/** Loads first, then a tick while V8 tidies up after them, then ticks by themselves. */
async function costsOf(site: Site, clock: TickClock, plan: Plan): Promise<Costs> {
  await clock.after(AFTER_TICK);
  const loads: { execs: number; connections: number }[] = [];
  while (loads.length < plan.rounds) {
    const connections = await site.costOfLoad('tcp', plan.load);
    loads.push({ connections, execs: await site.costOfLoad('spawn', plan.load) });
  }
  const hold = await site.longestHold(async () => clock.after(AFTER_TICK));
  const ticks: number[] = [];
  while (ticks.length < plan.rounds) ticks.push(await costOfTick(site, clock, plan.interval * 1000));
  return {
    execs: medianOf(loads.map(({ execs }) => execs)),
    connections: medianOf(loads.map(({ connections }) => connections)),
    tick: medianOf(ticks),
    memory: site.daemon.memory().now,
    hold,
  };
}

/** Processor time of a tick with its scan, ms, without what Collector takes at rest in this time. */
async function costOfTick(site: Site, clock: TickClock, interval: number): Promise<number> {
  const rest = await site.shareDuring(interval - AFTER_TICK - 2 * BEFORE_TICK);
  await clock.after(interval - BEFORE_TICK);
  const before = site.daemon.cpu();
  await clock.after(AFTER_TICK);
  const cost = (site.daemon.cpu() - before) / NS_PER_MS - rest * (BEFORE_TICK + AFTER_TICK);
  return Math.max(cost, LEAST_TICK);
}

function curves(costs: ReadonlyMap<number, Costs>, origin: Origin): Curve[] {
  const points = (key: keyof Costs): Point[] => [...costs].map(([x, { [key]: y }]) => ({ x, y }));
  const along = 'live connections';
  return [
    { name: 'CPU for 1,000 execs', unit: 'ms', along, origin, most: 0, points: points('execs') },
    { name: 'CPU for 1,000 connections', unit: 'ms', along, origin, most: 0, points: points('connections') },
    { name: 'CPU for a tick', unit: 'ms', along, origin, most: 1, points: points('tick') },
    {
      name: 'resident memory',
      unit: 'MB',
      along,
      origin,
      most: 1,
      points: points('memory'),
      ...(origin === 'rings' && { limits: limitsOf(costs) }),
    },
  ];
}

function limitsOf(costs: ReadonlyMap<number, Costs>): Point[] {
  return [...MEGABYTES].map(([x, y]) => ({ x, y })).filter(({ x }) => costs.has(x));
}

function figures(costs: ReadonlyMap<number, Costs>) {
  return [...costs].flatMap(([count, { memory, hold }]) => [
    ...(MEGABYTES.has(count)
      ? [own(`memory at ${count} connections, after loads`, 'MB', memory, MEGABYTES.get(count))]
      : []),
    own(
      `longest hold of the loop around a tick at ${count} connections, by the clock`,
      'ms',
      hold,
      LONGEST_HOLD,
    ),
  ]);
}

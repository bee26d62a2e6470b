import type { Readiness } from '../capture/health.js';
import type { Settings } from '../settings/table.js';
import type { Sources } from '../telemetry/publication.js';
import type { Inspection } from './actor.js';
import type { StatusView } from './ask.js';
import type { ActorMessage, HelloMessage, Message, Plain } from './protocol.js';

/** The queue of signals counts as full from this part of its room on. */
const NEARLY_FULL = 0.9;
const COLLECTING = 'collector.collecting';

export interface StatusSources {
  readonly settings: Settings;
  readonly inspection: Inspection;
  readonly readiness: () => Readiness;
  readonly counts: Sources;
}

/** The whole state of Collector on one screen. */
export function statusView({ settings, inspection, readiness, counts }: StatusSources): StatusView {
  const messages = inspection.present();
  const { version, node, release } = messages.find(isHello)!;
  const actors = messages.filter(isActor);
  const queue = counts.queue();
  const { user, system } = process.cpuUsage();
  const time = Date.now();
  const status: Omit<StatusView, 'problems'> = {
    time,
    version,
    node,
    release,
    nodeJs: process.version,
    pid: process.pid,
    started: Math.round(time - process.uptime() * 1000),
    readiness: readiness(),
    sensor: settings.grpcServer,
    actors,
    streams: counts.streams(),
    ...(queue !== undefined && { queue }),
    tables: counts.tables(),
    losses: counts.losses(),
    programs: counts
      .programs()
      .map(({ program, events, lost, runs, runNs }) => ({ program, events, lost, runs, runNs })),
    stalls: counts.stalls(),
    suppressedLogLines: counts.suppressedLogLines(),
    cpuMs: (user + system) / 1000,
    rss: process.memoryUsage.rss(),
  };
  return { ...status, problems: problemsOf(status) };
}

/** Why Collector is not well, a sentence each. */
function problemsOf({ actors, readiness, sensor, streams, queue }: Omit<StatusView, 'problems'>): string[] {
  const problems: string[] = [];
  const root = actors.find(({ chart }) => chart === 'collector')?.snapshot;
  if (root?.active.includes(COLLECTING) !== true) {
    const phase = root?.active.at(-1)?.split('.').at(-1) ?? 'start';
    problems.push(`It does not collect yet: its phase is ${phase}${obstacle(root?.context)}`);
    return problems;
  }
  if (readiness.is === 'waiting') problems.push('The self-check has not seen events flow yet.');
  if (readiness.is === 'blind') problems.push(readiness.cause ?? 'The self-check failed.');
  for (const { name, state, breaks } of streams)
    if (state !== 'open')
      problems.push(
        `The stream of ${name} to Sensor at ${sensor} is ${state}; it broke ${breaks} times so far.`,
      );
  if (queue !== undefined && queue.bytes > queue.capacity * NEARLY_FULL)
    problems.push(
      `${queue.waiting} process signals wait for Sensor, and there is hardly room for more: the oldest will be dropped.`,
    );
  return problems;
}

/** Cause and remedy of the latest failure of the phase, to be tried again. */
function obstacle(context: Plain | undefined): string {
  const failure = memberOf(context, 'obstacle') ?? memberOf(context, 'failure');
  const [cause, remedy] = [memberOf(failure, 'message'), memberOf(failure, 'remedy')];
  if (typeof cause !== 'string') return '.';
  return `. ${cause}${typeof remedy === 'string' ? ` Remedy: ${remedy}` : ''}`;
}

function memberOf(value: Plain | undefined, name: string): Plain | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Plain>>)[name]
    : undefined;
}

function isHello(message: Message): message is HelloMessage {
  return message.type === 'hello';
}

function isActor(message: Message): message is ActorMessage {
  return message.type === 'actor';
}

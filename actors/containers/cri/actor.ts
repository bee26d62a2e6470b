import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Subject, type Observable } from 'rxjs';
import type { BackOff, OpenConnection, SpawnStream } from '../../../machines/stream.js';
import type { ContainerMetadata, ContainersFact } from '../../capture/facts.js';
import type { Log } from '../../telemetry/log.js';
import { WakeUp } from './wake-up.js';
import { RuntimeClient, type RuntimeVersion } from './client.js';
import { Search } from './search.js';

export interface RuntimesOptions {
  /** Paths of unix sockets; a path without a socket yet is watched. */
  readonly sockets: readonly string[];
  /** Root of the host, for a look at other places; empty on the host itself. */
  readonly hostRoot?: string;
  readonly log: Log;
  readonly intervals?: Intervals;
}

/** All in ms. */
export interface Intervals {
  /** Between two lists of a runtime without events. */
  readonly poll: number;
  /** Between two lists of a runtime with events, since one could be lost. */
  readonly pollBesideEvents: number;
  /** Between two lists at least, in any case. */
  readonly rest: number;
  /** Longest wait for an answer. */
  readonly answer: number;
  /** Between two looks for a missing socket. */
  readonly look: number;
  readonly backOff: BackOff;
}

const INTERVALS: Intervals = {
  poll: 5000,
  pollBesideEvents: 60_000,
  rest: 250,
  answer: 5000,
  look: 2000,
  backOff: { first: 2000, most: 30_000 },
};
/** Between two warnings of a runtime away for long, s. */
const WARN_SECONDS = 60;

/** Changes of the containers of a runtime. */
export type RuntimeUpdate = Omit<ContainersFact, 'kind' | 'time'>;

/**
 * The container runtimes of the node: asks each of them for the names of its containers. Each socket has a stream of
 * its own: none waits for another, and a mistake of one costs a throttled warning.
 */
export class Runtimes {
  readonly #updates = new Subject<RuntimeUpdate>();
  readonly #options: RuntimesOptions;
  readonly #search: Search;
  readonly #wakeUps: WakeUp[] = [];

  constructor(options: RuntimesOptions) {
    this.#options = options;
    this.#search = new Search({ hostRoot: '', ...options });
  }

  /** Updates of all runtimes, from `start` on. */
  get updates(): Observable<RuntimeUpdate> {
    return this.#updates;
  }

  /** Opens a stream to each runtime. */
  start(spawn: SpawnStream): void {
    for (const socket of this.#options.sockets) this.#open(socket, spawn);
  }

  /** Asks all runtimes at once: the kernel side met an unknown container. */
  ask(): void {
    this.#wakeUps.forEach((wakeUp) => wakeUp.wake());
    void this.#search.met();
  }

  #open(socket: string, spawn: SpawnStream): void {
    const { log, intervals = INTERVALS } = this.#options;
    const wakeUp = new WakeUp();
    const warn = log.throttled('warning', WARN_SECONDS);
    const actor = spawn(`runtime ${socket}`, {
      backOff: intervals.backOff,
      open: this.#connection(socket, wakeUp, intervals),
    });
    actor.on('broken', ({ reason, wait }) => {
      warn(
        `Container runtime at ${socket} does not tell the names of its containers (${reason}); ` +
          `it is asked again in ${wait / 1000} s`,
      );
      void this.#search.failed(socket, reason);
    });
    this.#wakeUps.push(wakeUp);
  }

  #connection(socket: string, wakeUp: WakeUp, intervals: Intervals): OpenConnection {
    const { log } = this.#options;
    let loggedAbsence = false;
    /** Containers of this runtime, as text to compare. Kept between connections: they survive the runtime. */
    let known: ReadonlyMap<string, string> = new Map();
    const compare = (list: ReadonlyMap<string, ContainerMetadata>): void => {
      const now = new Map(Array.from(list, ([id, metadata]) => [id, JSON.stringify(metadata)]));
      const updated = [...list.values()].filter(({ id }) => now.get(id) !== known.get(id));
      const removed = [...known.keys()].filter((id) => !now.has(id));
      known = now;
      if (updated.length + removed.length > 0) this.#updates.next({ updated, removed });
    };
    return (update) => {
      const stop = new AbortController();
      const visit = visitRuntime(
        socket,
        intervals,
        {
          wakeUp,
          absent: () => {
            if (!loggedAbsence) log.info(`No container runtime at ${socket} yet: it is watched for`);
            loggedAbsence = true;
            void this.#search.failed(socket, 'nothing is there');
          },
          opened: ({ name, version }) => {
            log.info(`Container runtime ${name} ${version} at ${socket} tells the names of its containers`);
            this.#search.answered();
            update({ type: 'opened' });
          },
          listed: (list) => !stop.signal.aborted && compare(list),
        },
        stop.signal,
      );
      visit.catch((error: unknown) => {
        if (!stop.signal.aborted) update({ type: 'broken', reason: (error as Error).message });
      });
      return () => stop.abort();
    };
  }
}

interface Visitor {
  readonly wakeUp: WakeUp;
  readonly absent: () => void;
  readonly opened: (runtime: RuntimeVersion) => void;
  readonly listed: (list: ReadonlyMap<string, ContainerMetadata>) => void;
}

/** Lists the containers of a runtime again and again. @throws Error with the reason of its end, or of `signal` */
async function visitRuntime(
  socket: string,
  intervals: Intervals,
  { wakeUp, absent, opened, listed }: Visitor,
  signal: AbortSignal,
): Promise<never> {
  while (!(await exists(socket))) {
    absent();
    await delay(intervals.look, undefined, { signal });
  }
  const client = new RuntimeClient(socket, intervals.answer);
  try {
    const runtime = await client.version();
    listed(await client.list());
    opened(runtime);
    let hasEvents = broadcastsEvents(runtime);
    if (hasEvents) {
      client.events(
        () => wakeUp.wake(),
        () => (hasEvents = false),
      );
    }
    for (;;) {
      await delay(intervals.rest, undefined, { signal });
      await wakeUp.sleep(hasEvents ? intervals.pollBesideEvents : intervals.poll, signal);
      signal.throwIfAborted();
      listed(await client.list());
    }
  } finally {
    client.close();
  }
}

/**
 * Whether every listener for events gets all of them. Containerd before 2.0 hands each event to one listener only:
 * Collector would take them away from the kubelet.
 */
function broadcastsEvents({ name, version }: RuntimeVersion): boolean {
  return name !== 'containerd' || Number(/^v?(\d+)/.exec(version)?.[1] ?? 0) >= 2;
}

async function exists(socket: string): Promise<boolean> {
  return stat(socket).then(
    () => true,
    () => false,
  );
}

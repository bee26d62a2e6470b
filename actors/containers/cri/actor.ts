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
  /** Paths of unix sockets; a path where nothing is yet is watched. */
  readonly sockets: readonly string[];
  /** Where the root of the host is, for a look at other places; empty on the host itself. */
  readonly hostRoot?: string;
  readonly log: Log;
  readonly times?: Intervals;
}

/** All in ms. */
export interface Intervals {
  /** Between two lists where the runtime tells no events. */
  readonly poll: number;
  /** The same where it does, since an event could be lost. */
  readonly pollBesideEvents: number;
  /** Between two lists at least, whatever happens. */
  readonly rest: number;
  /** How long an answer may take. */
  readonly answer: number;
  /** Between two looks for a socket that is not there. */
  readonly look: number;
  readonly backOff: BackOff;
}

const TIMES: Intervals = {
  poll: 5000,
  pollBesideEvents: 60_000,
  rest: 250,
  answer: 5000,
  look: 2000,
  backOff: { first: 2000, most: 30_000 },
};
/** A runtime that is away for long is no news more often, s. */
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

  /** Asks all runtimes at once: the kernel side met a container that none has named. */
  ask(): void {
    this.#wakeUps.forEach((wakeUp) => wakeUp.wake());
    void this.#search.met();
  }

  #open(socket: string, spawn: SpawnStream): void {
    const { log, times = TIMES } = this.#options;
    const wakeUp = new WakeUp();
    const warn = log.throttled('warning', WARN_SECONDS);
    const actor = spawn(`runtime ${socket}`, {
      backOff: times.backOff,
      open: this.#connection(socket, wakeUp, times),
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

  #connection(socket: string, wakeUp: WakeUp, times: Intervals): OpenConnection {
    const { log } = this.#options;
    let saidAbsent = false;
    /** Containers of this runtime as text to compare. They survive the runtime, so this does. */
    let known: ReadonlyMap<string, string> = new Map();
    const listed = (found: ReadonlyMap<string, ContainerMetadata>): void => {
      const now = new Map(Array.from(found, ([id, metadata]) => [id, JSON.stringify(metadata)]));
      const updated = [...found.values()].filter(({ id }) => now.get(id) !== known.get(id));
      const removed = [...known.keys()].filter((id) => !now.has(id));
      known = now;
      if (updated.length + removed.length > 0) this.#updates.next({ updated, removed });
    };
    return (update) => {
      const stop = new AbortController();
      const visit = visitRuntime(
        socket,
        times,
        {
          wakeUp,
          absent: () => {
            if (!saidAbsent) log.info(`No container runtime at ${socket} yet: it is watched for`);
            saidAbsent = true;
            void this.#search.failed(socket, 'nothing is there');
          },
          opened: ({ name, version }) => {
            log.info(`Container runtime ${name} ${version} at ${socket} tells the names of its containers`);
            this.#search.answered();
            update({ type: 'opened' });
          },
          listed: (found) => !stop.signal.aborted && listed(found),
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
  readonly listed: (found: ReadonlyMap<string, ContainerMetadata>) => void;
}

/** Lists again and again what a runtime has. @throws Error that says what ended it, if only that `signal` aborted */
async function visitRuntime(
  socket: string,
  times: Intervals,
  { wakeUp, absent, opened, listed }: Visitor,
  signal: AbortSignal,
): Promise<never> {
  while (!(await exists(socket))) {
    absent();
    await delay(times.look, undefined, { signal });
  }
  const client = new RuntimeClient(socket, times.answer);
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
      await delay(times.rest, undefined, { signal });
      await wakeUp.sleep(hasEvents ? times.pollBesideEvents : times.poll, signal);
      signal.throwIfAborted();
      listed(await client.list());
    }
  } finally {
    client.close();
  }
}

/**
 * Whether everybody who listens for events hears all of them. Containerd before 2.0 hands each event to one listener
 * only: Collector would take them away from the kubelet.
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

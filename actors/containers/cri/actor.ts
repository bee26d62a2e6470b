import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { merge, Observable } from 'rxjs';
import { createActor, fromCallback } from 'xstate';
import { stream, type BackOff, type StreamNews } from '../../../machines/stream.js';
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
  /** Fires when a container was met that nobody has told of: a reason to ask at once. */
  readonly strangers: Observable<unknown>;
  readonly log: Log;
  readonly times?: Times;
}

/** All in ms. */
export interface Times {
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

const TIMES: Times = {
  poll: 5000,
  pollBesideEvents: 60_000,
  rest: 250,
  answer: 5000,
  look: 2000,
  backOff: { first: 2000, most: 30_000 },
};
/** A runtime that is away for long is no news more often, s. */
const WARN_SECONDS = 60;

/** What a runtime told, as far as it is other than before. */
export type RuntimeNews = Omit<ContainersFact, 'kind' | 'time'>;

/**
 * What the container runtimes behind these sockets tell of their containers, for as long as somebody listens. Each
 * socket is on its own: none waits for another, and what one does wrong costs a throttled warning.
 */
export function runtimeNews(options: RuntimesOptions): Observable<RuntimeNews> {
  const search = new Search({ hostRoot: '', ...options });
  return merge(...options.sockets.map((socket) => newsOf(socket, search, options)));
}

function newsOf(
  socket: string,
  search: Search,
  { strangers, log, times = TIMES }: RuntimesOptions,
): Observable<RuntimeNews> {
  return new Observable((subscriber) => {
    const bell = new WakeUp();
    const warn = log.throttled('warning', WARN_SECONDS);
    let saidAbsent = false;
    /** What this runtime was known to have, as text to compare. It survives the runtime, as containers do. */
    let known: ReadonlyMap<string, string> = new Map();
    const listed = (found: ReadonlyMap<string, ContainerMetadata>): void => {
      const now = new Map(Array.from(found, ([id, metadata]) => [id, JSON.stringify(metadata)]));
      const told = [...found.values()].filter(({ id }) => now.get(id) !== known.get(id));
      const removed = [...known.keys()].filter((id) => !now.has(id));
      known = now;
      if (told.length + removed.length > 0) subscriber.next({ updated: told, removed });
    };
    const effect = fromCallback<{ readonly type: 'none' }>(({ sendBack }) => {
      const send = sendBack as (news: StreamNews) => void;
      const stop = new AbortController();
      const visit = visitRuntime(
        socket,
        times,
        {
          bell,
          absent: () => {
            if (!saidAbsent) log.info(`No container runtime at ${socket} yet: it is watched for`);
            saidAbsent = true;
            void search.failed(socket, 'nothing is there');
          },
          opened: ({ name, version }) => {
            log.info(`Container runtime ${name} ${version} at ${socket} tells the names of its containers`);
            search.answered();
            send({ type: 'opened' });
          },
          listed: (found) => !stop.signal.aborted && listed(found),
        },
        stop.signal,
      );
      visit.catch((error: unknown) => {
        if (!stop.signal.aborted) send({ type: 'broken', reason: (error as Error).message });
      });
      return () => stop.abort();
    });
    const actor = createActor(stream.provide({ actors: { stream: effect } }), {
      input: { backOff: times.backOff },
    });
    actor.on('broken', ({ reason, wait }) => {
      warn(
        `Container runtime at ${socket} does not tell the names of its containers (${reason}); ` +
          `it is asked again in ${wait / 1000} s`,
      );
      void search.failed(socket, reason);
    });
    subscriber.add(
      strangers.subscribe(() => {
        bell.wake();
        void search.met();
      }),
    );
    subscriber.add(() => actor.send({ type: 'stop' }));
    actor.start();
  });
}

interface Visitor {
  readonly bell: WakeUp;
  readonly absent: () => void;
  readonly opened: (runtime: RuntimeVersion) => void;
  readonly listed: (found: ReadonlyMap<string, ContainerMetadata>) => void;
}

/** Lists again and again what a runtime has. @throws Error that says what ended it, if only that `signal` aborted */
async function visitRuntime(
  socket: string,
  times: Times,
  { bell, absent, opened, listed }: Visitor,
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
        () => bell.wake(),
        () => (hasEvents = false),
      );
    }
    for (;;) {
      await delay(times.rest, undefined, { signal });
      await bell.sleep(hasEvents ? times.pollBesideEvents : times.poll, signal);
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

import { randomBytes } from 'node:crypto';
import { Observable, type Subscriber } from 'rxjs';
import type { Probe, ProgramStats } from '../../native/index.js';
import type { RuntimeConfig } from '../settings/runtime-config.js';
import type { Driver } from './driver.js';
import type { Audience, ContainersFact, ControlFact, Fact, ScanFact, StateSettings } from './facts.js';
import { Records } from './records.js';
import type { Scanner } from './scanner.js';

export interface CaptureOptions {
  /** What goes into the start fact. */
  readonly settings: StateSettings;
  readonly scanner: Scanner;
  /** When to scan sockets: never where a scan cannot see them all, since it is taken for the truth. */
  readonly scrape: 'never' | 'at start' | 'every tick';
  /** Called at every tick with what the BPF programs have counted since they were loaded. */
  readonly onStats: (stats: readonly ProgramStats[]) => void;
  /** Who hears of what there is to tell; without it, always the same. */
  readonly listener?: Listener;
  /** The runtime configuration, whenever it is another one than before. */
  readonly config?: Observable<RuntimeConfig>;
  /** What container runtimes tell. */
  readonly containers?: Observable<Omit<ContainersFact, 'kind' | 'time'>>;
}

/** The other end, as far as it takes part in the facts of a run. */
export interface Listener {
  /** Who will hear the report of a tick that comes now. */
  readonly audience: () => Audience;
  /** Who will hear of processes that are found now. */
  readonly processAudience: () => Audience;
  /** Fires when somebody listens who has not heard of any process yet. */
  readonly newcomers: Observable<unknown>;
  readonly control: Observable<Omit<ControlFact, 'kind' | 'time'>>;
}

/**
 * Bytes of one batch. Large enough that what follows from a batch, such as a write, is rare; small enough that what is
 * made of it, such as the signals of a hundred execs, has been let go of before V8 takes it for long-lived.
 */
const BATCH_BYTES = 64 * 1024;
const SEED_DIGITS = 15;

/**
 * The facts of a live run: start, what runs now, then records as they come and, every scrape interval, a scan of the
 * sockets and a tick. Subscribing takes over the probe, whose programs are attached; `stop` brings all that was written
 * before it and a last tick, then completes; then, or when nobody listens any more, the probe is closed.
 *
 * A probe error (see native/index.ts) becomes the observable's.
 */
export function captureFacts(
  driver: Driver,
  probe: Probe,
  { settings, scanner, scrape, onStats, listener, config, containers }: CaptureOptions,
  stop: AbortSignal,
): Observable<Fact> {
  return new Observable((subscriber) => {
    const buffer = new Uint8Array(BATCH_BYTES);
    const batch = new Records(buffer);
    const now = () => driver.clock().time;

    const scan = (of: ScanFact['of'], audience: Audience = 'same') => {
      const time = now();
      subscriber.next({ kind: 'scan', of, audience, time, records: scanner.scan(of) });
    };
    const tick = () => {
      probe.drain();
      if (scrape === 'every tick' && !settings.networkDisabled) scan('sockets');
      onStats(probe.stats());
      subscriber.next({ kind: 'tick', ...driver.clock(), audience: listener?.audience() ?? 'same' });
    };

    const end = guarded(subscriber, () => {
      probe.detach();
      tick();
      subscriber.complete();
    });
    const interval = setInterval(guarded(subscriber, tick), settings.scrapeInterval * 1000);
    subscriber.add(() => {
      clearInterval(interval);
      stop.removeEventListener('abort', end);
      probe.close();
    });

    guarded(subscriber, () => {
      const seed = randomBytes(SEED_DIGITS).toString('hex').slice(0, SEED_DIGITS);
      subscriber.next({ kind: 'start', ...driver.clock(), seed, settings });
      probe.start(
        buffer,
        (length, time) => {
          batch.length = length;
          subscriber.next({ kind: 'records', time, records: batch });
        },
        (error) => subscriber.error(error),
      );
      // Whatever starts from here on may be seen by both; state knows to count it once.
      probe.drain();
      scan('processes', listener?.processAudience());
      if (scrape !== 'never' && !settings.networkDisabled) scan('sockets');
      subscriber.add(
        config?.subscribe((changed) => subscriber.next({ kind: 'config', time: now(), ...changed })),
      );
      subscriber.add(
        containers?.subscribe((news) => subscriber.next({ kind: 'containers', time: now(), ...news })),
      );
      if (listener === undefined) return;
      subscriber.add(
        listener.newcomers.subscribe(
          guarded(subscriber, () => {
            probe.drain();
            scan('processes', 'fresh');
          }),
        ),
      );
      subscriber.add(
        listener.control.subscribe((lists) => subscriber.next({ kind: 'control', time: now(), ...lists })),
      );
    })();
    if (stop.aborted) end();
    else stop.addEventListener('abort', end);
  });
}

function guarded(subscriber: Subscriber<Fact>, action: () => void): () => void {
  return () => {
    if (subscriber.closed) return;
    try {
      action();
    } catch (error) {
      subscriber.error(error);
    }
  };
}

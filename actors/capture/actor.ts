import { randomBytes } from 'node:crypto';
import { Observable } from 'rxjs';
import type { LostLink, Probe, ProgramStats } from '../../native/index.js';
import type { RuntimeConfig } from '../settings/runtime-config.js';
import type { Deadline } from '../telemetry/deadline.js';
import { withArguments, type ArgumentSource } from './arguments.js';
import type { Driver } from './driver.js';
import type { Audience, ContainersFact, ControlFact, Fact, ScanFact, StateSettings } from './facts.js';
import { countLost } from './losses.js';
import { ProcessScans } from './process-scans.js';
import { Records } from './records.js';
import type { Scanner } from './scanner.js';
import { Sequence } from './sequence.js';
import type { Sliced, Slices } from './slices.js';

export interface CaptureOptions {
  /** What goes into the start fact. */
  readonly settings: StateSettings;
  readonly scanner: Scanner;
  /** Reads the arguments of processes that scans find; without it, nobody does. */
  readonly arguments?: ArgumentSource;
  /** When to scan sockets: never where a scan cannot see them all, since it is taken for the truth. */
  readonly scrape: 'never' | 'at start' | 'every tick';
  /** Called at every tick with what the BPF programs have counted since they were loaded. */
  readonly onStats: (stats: readonly ProgramStats[]) => void;
  /** Called at every tick with the programs that somebody else has detached, if any: see `Probe.restoreLinks`. */
  readonly onLinks: (lost: readonly LostLink[]) => void;
  /**
   * Notes a shortage, such as of descriptors, that kept `what` from being done now; it is tried again.
   * @returns false if the error is none
   */
  readonly onShortage: (error: unknown, what: string) => boolean;
  /** A scan of sockets took more than `MOST_SCAN_NS` and was given up: it ends nothing. */
  readonly onLongScan?: () => void;
  /** Of the end of the run: half of it is for the last facts. `stop` starts it, if nothing did before. */
  readonly deadline: Deadline;
  /** The last facts took too long: so many records were not read, and the last report is not whole. */
  readonly onCut: (unread: number) => void;
  /** What a tick has given to do; no fact follows before it is done. */
  readonly slices: Slices;
  /** Who hears of what there is to tell; without it, always the same. */
  readonly listener?: FactAudience;
  /** The runtime configuration, whenever it is another one than before. */
  readonly config?: Observable<RuntimeConfig>;
  /** What container runtimes tell. */
  readonly containers?: Observable<Omit<ContainersFact, 'kind' | 'time'>>;
}

/** The other end, as far as it takes part in the facts of a run. */
export interface FactAudience {
  /** Who will hear the report of a tick that comes now. */
  readonly audience: () => Audience;
  /** Who will hear of processes that are found now. */
  readonly processAudience: () => Audience;
  /** Fires when somebody listens who has not heard of any process yet. */
  readonly newcomers: Observable<unknown>;
  /** Whether more found processes can be taken now: while not, a scan of them waits between two parts. */
  readonly hasRoom: () => boolean;
  /** Fires when there is room again, or nobody listens any more. */
  readonly room: Observable<unknown>;
  readonly control: Observable<Omit<ControlFact, 'kind' | 'time'>>;
}

/**
 * Bytes of one batch. Large enough that what follows from a batch, such as a write, is rare; small enough that what is
 * made of it, such as the signals of a hundred execs, has been let go of before V8 takes it for long-lived.
 */
const BATCH_BYTES = 32 * 1024;
/** Bytes of records that are read before a pause when all of them are, such as before a scan. */
const DRAIN_BYTES = 256 * 1024;
/** Part of the end's time for the last facts. */
const LAST_FACTS_SHARE = 0.5;
const SEED_DIGITS = 15;
/**
 * How long a scan of sockets may take, ns: records wait in the rings meanwhile, and how many descriptors there are to be
 * looked at is the choice of those who hold them.
 */
const MOST_SCAN_NS = 5e9;
/** Until a scan that met a shortage is tried again, ms, if no tick repeats it anyway. */
const RETRY_MS = 1000;
/** How long sockets wait for a scan of processes, which names those that listen, ms. */
const PROCESSES_FIRST_MS = 5000;

/**
 * The facts of a live run: start, what runs now, then records as they come and, every scrape interval, a scan of the
 * sockets and a tick; before those a scan of processes, if the kernel has lost records since the last.
 *
 * - Subscribing takes over the probe, whose programs are attached.
 * - `stop` delivers all that was written before it and a last tick, as far as there is time, then completes.
 * - Completing and unsubscribing close the probe.
 *
 * What takes long, such as a tick of a million connections, is done in slices, between which the event loop goes on. No
 * other fact comes meanwhile: the rings are the queue of the records, and whatever else happens waits its turn. Scans
 * of processes are the exception: their parts come between other facts, since they wait for helpers and for the
 * audience.
 *
 * A probe error (see native/index.ts) becomes the observable's.
 */
export function captureFacts(
  driver: Driver,
  probe: Probe,
  options: CaptureOptions,
  stop: AbortSignal,
): Observable<Fact> {
  const { settings, scanner, scrape, deadline, slices, listener, config, containers } = options;
  const { onStats, onLinks, onShortage, onCut, onLongScan } = options;
  return new Observable((subscriber) => {
    const buffer = new Uint8Array(BATCH_BYTES);
    const batch = new Records(buffer);
    const now = () => driver.clock().time;

    const sequence = new Sequence({
      onPause: (pauses) => probe.hold(pauses),
      onError: (error) => subscriber.error(error),
    });
    /** Facts that come by themselves, between the slices of others. */
    const next = (fact: () => Fact) =>
      sequence.addStep(() => {
        subscriber.next(fact());
      });

    function* scanSockets(afterLoss = false) {
      const fact = { kind: 'scan', of: 'sockets', audience: 'same', time: now() } as const;
      const end = afterLoss ? ({ afterLoss } as const) : {};
      const parts = scanner.sockets();
      let part: ScanFact['part'];
      for (;;) {
        const { done, value } = parts.next();
        if (done === true) {
          subscriber.next({ ...fact, ...(part !== undefined && { part: 'last' }), ...end, records: value });
          return true;
        }
        if (now() - fact.time > MOST_SCAN_NS) {
          onLongScan?.();
          return false;
        }
        if (value !== undefined) {
          part = part === undefined ? 'first' : 'next';
          subscriber.next({ ...fact, part, records: value });
        }
        yield;
      }
    }
    /** @returns what `work` gives; undefined if a shortage kept it from that */
    function attempt<T>(what: string, work: () => T): T | undefined {
      try {
        return work();
      } catch (error) {
        if (!onShortage(error, what)) throw error;
        return undefined;
      }
    }
    /** Reads everything written by now, with pauses, in which the probe is held. */
    function* drain(): Sliced<void> {
      const until = now();
      const read = () => attempt('reading the ring buffers', () => probe.drain(until, DRAIN_BYTES)) ?? 0;
      while (read() >= DRAIN_BYTES) yield;
    }
    /** @returns whether it came to its end; a scan cut short ends nothing */
    function* attemptScan(afterLoss = false) {
      try {
        return yield* scanSockets(afterLoss);
      } catch (error) {
        if (!onShortage(error, 'a scan of sockets')) throw error;
        return false;
      }
    }
    const retries = new Set<NodeJS.Timeout>();
    const retry = (task: () => void) => {
      const timer = setTimeout(() => {
        retries.delete(timer);
        task();
      }, RETRY_MS);
      retries.add(timer);
    };
    function* persistentScan() {
      if (yield* attemptScan()) return;
      retry(() => sequence.add(persistentScan));
    }
    async function* listProcesses() {
      options.arguments?.reader.begin();
      for await (const records of scanner.processes()) {
        if (options.arguments === undefined) yield records;
        else yield* withArguments(records, options.arguments);
      }
    }
    const processScans = new ProcessScans({
      list: listProcesses,
      deliver: async (part, audience, records) =>
        new Promise((resolve) =>
          sequence.add(function* () {
            // What was written before, such as an exec since the process was listed, is folded before.
            yield* drain();
            const fact = { kind: 'scan', of: 'processes', audience, time: now(), records } as const;
            subscriber.next({ ...fact, ...(part !== undefined && { part }) });
            resolve();
          }),
        ),
      audience: () => listener?.processAudience() ?? 'same',
      hasRoom: () => listener?.hasRoom() ?? true,
      onError: (error, wanted) => {
        if (onShortage(error, 'a scan of processes')) retry(() => processScans.request(wanted));
        else subscriber.error(error);
      },
    });
    let lost = 0;
    /** Since the last complete scan of sockets. */
    let endsLost = false;
    function* tick() {
      yield* drain();
      const stats = attempt('reading the counts of the kernel', () => {
        const detached = probe.restoreLinks();
        onLinks(detached);
        endsLost ||= detached.length > 0;
        return probe.stats();
      });
      if (stats !== undefined && countLost(stats) > lost) endsLost = true;
      // Without scans at every tick, one makes up for ends that may be lost.
      const isScanDue = scrape === 'every tick' || (scrape === 'at start' && endsLost);
      if (isScanDue && !settings.networkDisabled && (yield* attemptScan(endsLost))) endsLost = false;
      if (stats !== undefined) onStats(stats);
      subscriber.next({ kind: 'tick', ...driver.clock(), audience: listener?.audience() ?? 'same' });
      yield* slices.run();
    }
    let isDue = false;
    function* dueTick() {
      isDue = false;
      yield* tick();
    }
    function* end() {
      yield* tick();
      subscriber.complete();
    }
    let cutting: NodeJS.Timeout | undefined;
    const onStop = () => {
      probe.detach();
      processScans.close();
      cutting = setTimeout(() => {
        sequence.close();
        onCut(attempt('reading the ring buffers', () => probe.discard()) ?? 0);
        subscriber.complete();
      }, deadline.start().share(LAST_FACTS_SHARE).left);
      sequence.finish(end);
    };
    /** Does something when the scans of processes asked for are over, or have taken too long, unless the run ends. */
    const afterProcesses = (task: () => void) =>
      void processScans.idle(PROCESSES_FIRST_MS).then(() => {
        if (!stop.aborted && !subscriber.closed) task();
      });
    const onInterval = () => {
      const stats = attempt('reading the counts of the kernel', () => probe.stats());
      const counted = stats === undefined ? lost : countLost(stats);
      if (counted === lost) {
        sequence.add(dueTick);
        return;
      }
      // Among what was lost may be the start of a process that still runs, or that of one that listens.
      lost = counted;
      endsLost = true;
      processScans.request('same');
      afterProcesses(() => sequence.add(dueTick));
    };
    const interval = setInterval(() => {
      // One that is late makes up for those that come before it was done.
      if (isDue) return;
      isDue = true;
      try {
        onInterval();
      } catch (error) {
        subscriber.error(error);
      }
    }, settings.scrapeInterval * 1000);
    subscriber.add(() => {
      processScans.close();
      options.arguments?.reader.close();
      sequence.close();
      clearInterval(interval);
      retries.forEach(clearTimeout);
      clearTimeout(cutting);
      stop.removeEventListener('abort', onStop);
      probe.close();
    });

    sequence.addStep(() => {
      const seed = randomBytes(SEED_DIGITS).toString('hex').slice(0, SEED_DIGITS);
      subscriber.next({ kind: 'start', ...driver.clock(), seed, settings });
      probe.start(
        buffer,
        (length, time) => {
          batch.length = length;
          subscriber.next({ kind: 'records', time, records: batch });
        },
        (error) => onShortage(error, 'reading the ring buffers') || subscriber.error(error),
      );
      // Without it, ticks take over the new time.
      attempt('the watch of the clock', () =>
        probe.watchClock((time, epoch) => subscriber.next({ kind: 'clock', time, epoch })),
      );
      // Whatever starts from here on may be seen by both; state knows to count it once.
      processScans.request('same');
      if (scrape !== 'never' && !settings.networkDisabled) afterProcesses(() => sequence.add(persistentScan));
    });
    subscriber.add(config?.subscribe((changed) => next(() => ({ kind: 'config', time: now(), ...changed }))));
    subscriber.add(
      containers?.subscribe((news) => next(() => ({ kind: 'containers', time: now(), ...news }))),
    );
    if (listener !== undefined) {
      subscriber.add(listener.room.subscribe(() => processScans.goOn()));
      subscriber.add(listener.newcomers.subscribe(() => processScans.request('fresh')));
      const control = listener.control.subscribe((lists) =>
        next(() => ({ kind: 'control', time: now(), ...lists })),
      );
      subscriber.add(control);
    }
    if (stop.aborted) onStop();
    else stop.addEventListener('abort', onStop);
  });
}

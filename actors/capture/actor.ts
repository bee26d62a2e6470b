import { randomBytes } from 'node:crypto';
import { Observable } from 'rxjs';
import type { Driver, LostLink, ProgramStats } from '../../native/index.js';
import type { RuntimeConfig } from '../settings/runtime-config.js';
import type { Deadline } from '../telemetry/deadline.js';
import { withArguments, type ArgumentSource } from './arguments.js';
import type { Addon } from './driver.js';
import type { Audience, ContainersFact, ControlFact, Fact, ScanFact, StateSettings } from './facts.js';
import { countLost } from './losses.js';
import { ProcessScans } from './process-scans.js';
import { Records } from './records.js';
import type { Scanner } from './scanner.js';
import { Sequence } from './sequence.js';
import type { Sliced, Slices } from './slices.js';

export interface CaptureOptions {
  /** Settings in the start fact. */
  readonly settings: StateSettings;
  readonly scanner: Scanner;
  /** Reads the arguments of scanned processes; undefined: nobody does. */
  readonly arguments?: ArgumentSource;
  /** When to scan sockets: never where a scan cannot see them all, since state takes it for complete. */
  readonly scrape: 'never' | 'at start' | 'every tick';
  /** Called at every tick with the counts of the driver's programs since it was loaded. */
  readonly onStats: (stats: readonly ProgramStats[]) => void;
  /** Called at every tick with the programs detached by somebody else, if any: see `Driver.restoreLinks`. */
  readonly onLinks: (lost: readonly LostLink[]) => void;
  /**
   * Notes a shortage, of descriptors for example, and the work put off by it: `what` is tried again.
   * @returns false if the error is no shortage
   */
  readonly onShortage: (error: unknown, what: string) => boolean;
  /** Called when a scan of sockets took more than `MOST_SCAN_NS` and was given up: it ends nothing. */
  readonly onLongScan?: () => void;
  /** Of the end of the run: half of it is for the last facts. Started by `stop` at the latest. */
  readonly deadline: Deadline;
  /** Called when the last facts took too long: `unread` records are missing, and the last report is not whole. */
  readonly onCut: (unread: number) => void;
  /** Work of a tick; no fact follows before its end. */
  readonly slices: Slices;
  /** Audience of the facts; undefined: always the same. */
  readonly factAudience?: FactAudience;
  /** The runtime configuration, at each change. */
  readonly config?: Observable<RuntimeConfig>;
  /** Updates of the container runtimes. */
  readonly containers?: Observable<Omit<ContainersFact, 'kind' | 'time'>>;
}

/** The receiver of reports, as far as it takes part in the facts of a run. */
export interface FactAudience {
  /** Audience for the report of a tick made now. */
  readonly audience: () => Audience;
  /** Audience for processes scanned now. */
  readonly processAudience: () => Audience;
  /** Fires for a new receiver, without any process reported to it yet. */
  readonly newcomers: Observable<unknown>;
  /** Whether more scanned processes can be taken now; until then a scan of them waits between two parts. */
  readonly hasRoom: () => boolean;
  /** Fires when there is room again, or nobody listens any more. */
  readonly room: Observable<unknown>;
  readonly control: Observable<Omit<ControlFact, 'kind' | 'time'>>;
}

/**
 * Bytes of one batch. Large enough for the work after each batch, a write for example, to be rare; small enough for the
 * objects made of it, such as the signals of a hundred execs, to be let go of before V8 takes them for long-lived.
 */
const BATCH_BYTES = 32 * 1024;
/** Bytes of records read before a pause while the rings are emptied, before a scan for example. */
const DRAIN_BYTES = 256 * 1024;
/** Part of the end's time for the last facts. */
const LAST_FACTS_SHARE = 0.5;
const SEED_DIGITS = 15;
/**
 * Longest scan of sockets, ns: records wait in the rings meanwhile, and the number of descriptors to look at is the
 * choice of their holders.
 */
const MOST_SCAN_NS = 5e9;
/** Wait before a scan is tried again after a shortage, ms, if no tick repeats it anyway. */
const RETRY_MS = 1000;
/** Longest wait of sockets for a scan of processes, ms: it names the listening ones. */
const PROCESSES_FIRST_MS = 5000;

/**
 * The facts of a live run: start, scans of everything running, then records as they come and, every scrape interval, a
 * scan of the sockets and a tick; before it a scan of processes, if the kernel has lost records since the last.
 *
 * - Subscribing takes over the driver, attached.
 * - `stop` delivers all records written before it and a last tick, as far as there is time, then completes.
 * - Completing and unsubscribing close the driver.
 *
 * Long work, a tick of a million connections for example, is done in slices, and the event loop goes on between them.
 * No other fact comes meanwhile: the rings are the queue of the records, and everything else waits its turn. Scans of
 * processes are the exception: their parts come between other facts, since they wait for helpers and for the audience.
 *
 * A ProbeError (see native/index.ts) becomes the observable's.
 */
export function captureFacts(
  addon: Addon,
  driver: Driver,
  options: CaptureOptions,
  stop: AbortSignal,
): Observable<Fact> {
  const { settings, scanner, scrape, deadline, slices, factAudience, config, containers } = options;
  const { onStats, onLinks, onShortage, onCut, onLongScan } = options;
  return new Observable((subscriber) => {
    const buffer = new Uint8Array(BATCH_BYTES);
    const batch = new Records(buffer);
    const now = () => addon.clock().time;

    const sequence = new Sequence({
      onPause: (pauses) => driver.hold(pauses),
      onError: (error) => subscriber.error(error),
    });
    /** Passes on a fact from outside, once the work of the current one is done. */
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
    /** @returns the result of `work`; undefined after a shortage */
    function attempt<T>(what: string, work: () => T): T | undefined {
      try {
        return work();
      } catch (error) {
        if (!onShortage(error, what)) throw error;
        return undefined;
      }
    }
    /** Reads everything written by now; the driver is held during its pauses. */
    function* drain(): Sliced<void> {
      const until = now();
      const read = () => attempt('reading the ring buffers', () => driver.drain(until, DRAIN_BYTES)) ?? 0;
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
    const retry = (job: () => void) => {
      const timer = setTimeout(() => {
        retries.delete(timer);
        job();
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
            // Records written before it, of an exec since the listing for example, are folded before it.
            yield* drain();
            const fact = { kind: 'scan', of: 'processes', audience, time: now(), records } as const;
            subscriber.next({ ...fact, ...(part !== undefined && { part }) });
            resolve();
          }),
        ),
      audience: () => factAudience?.processAudience() ?? 'same',
      hasRoom: () => factAudience?.hasRoom() ?? true,
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
        const detached = driver.restoreLinks();
        onLinks(detached);
        endsLost ||= detached.length > 0;
        return driver.stats();
      });
      if (stats !== undefined && countLost(stats) > lost) endsLost = true;
      // Without scans at every tick, one makes up for ends possibly lost.
      const isScanDue = scrape === 'every tick' || (scrape === 'at start' && endsLost);
      if (isScanDue && !settings.networkDisabled && (yield* attemptScan(endsLost))) endsLost = false;
      if (stats !== undefined) onStats(stats);
      subscriber.next({ kind: 'tick', ...addon.clock(), audience: factAudience?.audience() ?? 'same' });
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
      driver.detach();
      processScans.close();
      cutting = setTimeout(() => {
        sequence.close();
        onCut(attempt('reading the ring buffers', () => driver.discard()) ?? 0);
        subscriber.complete();
      }, deadline.start().share(LAST_FACTS_SHARE).left);
      sequence.finish(end);
    };
    /** Runs a job when the requested scans of processes are over, or have taken too long, unless the run ends. */
    const afterProcesses = (job: () => void) =>
      void processScans.idle(PROCESSES_FIRST_MS).then(() => {
        if (!stop.aborted && !subscriber.closed) job();
      });
    const onInterval = () => {
      const stats = attempt('reading the counts of the kernel', () => driver.stats());
      const counted = stats === undefined ? lost : countLost(stats);
      if (counted === lost) {
        sequence.add(dueTick);
        return;
      }
      // A lost record may be the start of a process still running, or of a listening one.
      lost = counted;
      endsLost = true;
      processScans.request('same');
      afterProcesses(() => sequence.add(dueTick));
    };
    const interval = setInterval(() => {
      // A late tick makes up for the ticks due before its end.
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
      driver.close();
    });

    sequence.addStep(() => {
      const seed = randomBytes(SEED_DIGITS).toString('hex').slice(0, SEED_DIGITS);
      subscriber.next({ kind: 'start', ...addon.clock(), seed, settings });
      driver.start(
        buffer,
        (length, time) => {
          batch.length = length;
          subscriber.next({ kind: 'records', time, records: batch });
        },
        (error) => onShortage(error, 'reading the ring buffers') || subscriber.error(error),
      );
      // Without it, ticks take over the new time.
      attempt('the watch of the clock', () =>
        driver.watchClock((time, epoch) => subscriber.next({ kind: 'clock', time, epoch })),
      );
      // A process or socket new from here on may be recorded and scanned; state counts it once.
      processScans.request('same');
      if (scrape !== 'never' && !settings.networkDisabled) afterProcesses(() => sequence.add(persistentScan));
    });
    subscriber.add(config?.subscribe((changed) => next(() => ({ kind: 'config', time: now(), ...changed }))));
    subscriber.add(
      containers?.subscribe((update) => next(() => ({ kind: 'containers', time: now(), ...update }))),
    );
    if (factAudience !== undefined) {
      subscriber.add(factAudience.room.subscribe(() => processScans.goOn()));
      subscriber.add(factAudience.newcomers.subscribe(() => processScans.request('fresh')));
      const control = factAudience.control.subscribe((lists) =>
        next(() => ({ kind: 'control', time: now(), ...lists })),
      );
      subscriber.add(control);
    }
    if (stop.aborted) onStop();
    else stop.addEventListener('abort', onStop);
  });
}

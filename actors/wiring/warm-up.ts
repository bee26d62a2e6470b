import { setImmediate as turn } from 'node:timers/promises';
import { merge, Subject, tap } from 'rxjs';
import type { Fact, StateSettings } from '../capture/facts.js';
import { Records } from '../capture/records.js';
import { Slices } from '../capture/slices.js';
import { SignalSender } from '../sensor/signals.js';
import { createLog } from '../telemetry/log.js';
import { MadeUpExecs, madeUpProcesses } from './made-up-execs.js';
import { Pipeline } from './pipeline.js';

/** Enough for V8 to compile what an exec runs through. */
const EXECS = 2000;
/** Folded between two turns of the event loop: some ms. */
const BATCH = 50;
const QUEUE_BYTES = 16 * 1024 * 1024;
const WINDOW_BYTES = 64 * 1024;
const SEED = '0'.repeat(15);
/** Unix time minus CLOCK_BOOTTIME, ns. */
const EPOCH_NS = 1.7e18;

/**
 * Brings made-up execs the way of real ones, from records to a stream to Sensor, so that V8 has compiled the way before
 * a storm comes. Folds, queue and stream are its own and go when it ends; what they report goes nowhere.
 */
export async function warmUp(settings: StateSettings, stop: AbortSignal): Promise<void> {
  const sender = new SignalSender(
    QUEUE_BYTES,
    Buffer.alloc(0),
    () => undefined,
    () => undefined,
  );
  sender.opened({ write: (_, flushed) => void setImmediate(flushed), window: () => WINDOW_BYTES });
  const silence = createLog({ level: 'fatal', write: () => undefined });
  const pipeline = new Pipeline(settings, new Slices(), silence);
  const facts = new Subject<Fact>();
  const running = pipeline
    .run(facts, ({ processes, network }) =>
      merge(processes.pipe(tap(({ signals }) => sender.send(signals))), network),
    )
    .subscribe();
  facts.next({ kind: 'start', time: 0, epoch: EPOCH_NS, seed: SEED, settings });
  // A scan comes first, as in life: V8 compiles for the forms of objects it has seen.
  const scan = { kind: 'scan', of: 'processes', audience: 'fresh', part: 'first' } as const;
  const scanned = madeUpProcesses(BATCH);
  facts.next({ ...scan, time: scanned.time(0), records: scanned });
  facts.next({ ...scan, part: 'last', time: scanned.time(0), records: new Records(new Uint8Array()) });
  const execs = new MadeUpExecs(BATCH);
  const { records } = execs;
  for (let done = 0; done < EXECS && !stop.aborted; done += BATCH) {
    execs.renumber(done);
    facts.next({ kind: 'records', time: records.time(0), records });
    await turn();
  }
  running.unsubscribe();
  sender.closed();
}

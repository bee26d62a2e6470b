import { ignoreElements, merge, Subject, type Subscription } from 'rxjs';
import type { Counts } from '../../machines/part.js';
import { EventMeter } from '../capture/event-meter.js';
import type { Fact, RecordedFact, StateSettings } from '../capture/facts.js';
import { openRecording, type Recording } from '../capture/replayer.js';
import { Slices, type Sliced } from '../capture/slices.js';
import { unixTime } from '../inspection/player.js';
import type { ActorMessage } from '../inspection/protocol.js';
import { RecordedActors } from '../inspection/recorded-actors.js';
import { sanitise } from '../inspection/sanitise.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import { countsOf } from '../telemetry/telemetry.js';
import { PAST_EVENT_BYTES, Pipeline } from './pipeline.js';

/** A recording folded up to a fact: forwards only, so another pass starts at its beginning. */
export class ReplayPass {
  readonly pipeline: Pipeline;
  readonly actors = new RecordedActors();
  /** Unix time minus CLOCK_BOOTTIME at the start of the run, ns. */
  readonly epoch: number;
  /** Why the recording ends before its end. */
  failure: Failure | undefined;
  readonly #recording: Recording;
  readonly #all: Iterator<RecordedFact>;
  readonly #slices = new Slices();
  readonly #facts = new Subject<Fact>();
  readonly #folding: Subscription;
  readonly #events = new EventMeter();
  #time = -Infinity;
  #next: RecordedFact | undefined;
  #due = -Infinity;

  /** @throws Failure REPLAY_UNREADABLE */
  constructor(file: string, settings: Partial<StateSettings>, log: Log) {
    this.#recording = openRecording(file);
    const { start, all } = this.#recording;
    this.epoch = start.epoch;
    this.pipeline = new Pipeline({ ...start.settings, ...settings }, this.#slices, log, {
      pastEvents: PAST_EVENT_BYTES,
    });
    this.#folding = this.pipeline
      .run(this.#facts, ({ processes, network }) => merge(processes, network).pipe(ignoreElements()))
      .subscribe();
    this.#facts.next(start);
    this.#all = all[Symbol.iterator]();
    this.#advance();
    // A run without a recorded lifecycle has its parts, and no charts.
    if (this.#next?.kind !== 'lifecycle') this.#announceParts();
  }

  /** When the latest folded fact was due. */
  get time(): number {
    return this.#time;
  }

  /** The fact to be folded next; undefined at the end. */
  get next(): RecordedFact | undefined {
    return this.#next;
  }

  /** When `next` is due, in the clock of facts: never before a fact before it. */
  get due(): number {
    return this.#due;
  }

  /** Whether the recording has been read to its end, and has one. */
  get hasEnd(): boolean {
    return this.#recording.hasEnd;
  }

  /** Folds `next`, in slices. */
  *fold(): Sliced<void> {
    const fact = this.#next;
    if (fact === undefined) return;
    this.#time = this.#due;
    if (fact.kind === 'lifecycle') {
      for (const message of fact.messages) this.actors.take(message);
    } else {
      this.#events.take(fact);
      this.#facts.next(fact);
      yield* this.#slices.run();
    }
    this.#advance();
  }

  /** The parts alive with their counts, as far as these follow from folding. */
  parts(): readonly Pick<ActorMessage, 'actor' | 'snapshot'>[] {
    const counts = this.#counts();
    return this.actors.actors.flatMap(({ actor, id, chart, snapshot }) => {
      const context = chart === undefined ? counts[id] : undefined;
      return context === undefined ? [] : [{ actor, snapshot: { ...snapshot, context: sanitise(context) } }];
    });
  }

  #announceParts(): void {
    const snapshot = { status: 'active', active: [], context: {} } as const;
    const time = unixTime(this.#recording.start.time, this.epoch);
    for (const id of Object.keys(this.#counts()))
      this.actors.take({ type: 'actor', time, actor: id, id, snapshot });
  }

  #counts(): Readonly<Record<string, Counts>> {
    const { containers, processes, connections } = this.pipeline;
    const events = this.#events;
    const capture = {
      events: () => events.events,
      counters: () => ({
        net_conn_updates: events.connectionUpdates,
        net_cep_updates: events.endpointUpdates,
      }),
    };
    return {
      capture: countsOf([capture]),
      containers: countsOf([containers.publication]),
      processes: countsOf([processes.publication]),
      connections: countsOf([connections.publication]),
    };
  }

  close(): void {
    this.#folding.unsubscribe();
    this.#all.return?.();
  }

  #advance(): void {
    try {
      const next = this.#all.next();
      this.#next = next.done === true ? undefined : next.value;
      if (this.#next !== undefined) this.#due = Math.max(this.#due, this.#next.time);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.failure = error;
      this.#next = undefined;
    }
  }
}

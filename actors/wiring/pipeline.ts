import { connect, tap, type Observable } from 'rxjs';
import type { Fact, StateSettings } from '../capture/facts.js';
import { FactClock } from '../capture/fact-clock.js';
import { SocketRole } from '../capture/layout.js';
import type { Slices } from '../capture/slices.js';
import { Connections, type ConnectionHooks } from '../connections/actor.js';
import { Containers } from '../containers/actor.js';
import { containerId } from '../containers/id.js';
import { refusalLine } from '../containers/refusal-line.js';
import { ContainerRefs } from '../inspection/container-ref.js';
import { EventFeed } from '../inspection/events.js';
import type { SensorView, WhySources } from '../inspection/why.js';
import type { OutputUpdates } from '../output/actor.js';
import { FactLog } from '../output/fact-log.js';
import { Processes } from '../processes/actor.js';
import type { Refusal } from '../shares/refusals.js';
import type { Log } from '../telemetry/log.js';

/** Records kept for whoever asks for past events, bytes: of some ten thousand connections, or half as many execs. */
export const PAST_EVENT_BYTES = 4 * 1024 * 1024;

/** Hooks of a live run; a replay has none. */
export interface PipelineHooks extends Pick<ConnectionHooks, 'onReport' | 'peers'> {
  /** Called with the number of unknown containers so far, when it grows. */
  readonly onUnknownContainer?: (count: number) => void;
  /** Bytes of records to keep for `events`; default: none. */
  readonly pastEvents?: number;
}

/** The actors for folding facts, in the order of an event's way: containers → processes → connections → output. */
export class Pipeline {
  readonly containers: Containers;
  readonly processes: Processes;
  readonly connections: Connections;
  readonly clock = new FactClock();
  /** Kernel events as rows, for whoever watches. */
  readonly events: EventFeed;
  readonly #refs: ContainerRefs;
  readonly #settings: StateSettings;
  /** Explains the facts in the log. */
  readonly factLog: FactLog;
  readonly #log: Log;
  readonly #warnOfForgotten: (message: string) => void;
  #forgotten = 0;

  /** @param slices gets the work of ticks, to be run before the next fact */
  constructor(
    settings: StateSettings,
    slices: Slices,
    log: Log,
    { onUnknownContainer = () => undefined, pastEvents = 0, onReport, ...hooks }: PipelineHooks = {},
  ) {
    const { processTableSize, format } = settings;
    this.#settings = settings;
    this.#log = log;
    this.#warnOfForgotten = log.throttled('warning');
    this.containers = new Containers(log, onUnknownContainer);
    this.#refs = new ContainerRefs((container) => this.containers.state.metadataOf(container));
    this.events = new EventFeed({ clock: this.clock, refs: this.#refs }, { past: pastEvents });
    // A person at a terminal gets a line for each event.
    this.processes = new Processes(processTableSize, format !== 'compact');
    this.connections = new Connections(
      (container, pid, startTime, image) => this.processes.originatorId(container, pid, startTime, image),
      slices,
      {
        ...hooks,
        onReport: (seconds) => {
          onReport?.(seconds);
          this.factLog.tickEnded(seconds);
        },
        onLimited: ({ of, container, count, most }) =>
          log.warning(
            `Container ${containerId(container)} has too many new ${of}: a report has room for ${most} ` +
              `(networking.maxConnectionsPerMinute), ${count} wait for later ones. This is said once.`,
          ),
        onRefusal: (refusal) => this.#logRefusal(refusal),
      },
      this.processes.state,
    );
    this.factLog = new FactLog(log, this);
  }

  /** The states, for views of the node. @param sensor undefined: there is none, and reports are printed */
  viewSources(sensor: SensorView | undefined): WhySources {
    const { clock, containers, processes, connections } = this;
    return {
      clock,
      refs: this.#refs,
      containers: containers.state,
      processes: processes.state,
      connections: () => connections.state,
      settings: this.#settings,
      sensor,
    };
  }

  /** Folds facts and delivers the updates. */
  run(
    facts: Observable<Fact>,
    deliver: (updates: OutputUpdates) => Observable<unknown>,
  ): Observable<unknown> {
    const { containers, processes, connections, factLog } = this;
    return factLog.watch(facts).pipe(
      tap((fact) => {
        this.clock.take(fact);
        containers.fold(fact);
        this.events.take(fact);
        if (fact.kind === 'tick') this.#logShortage();
      }),
      connect((shared) =>
        deliver({
          processes: processes.updates(shared),
          network: connections.updates(shared).pipe(tap((update) => factLog.count(update))),
          originator: (id) => processes.state.originator(id),
          metadata: (container) => containers.state.metadataOf(container),
          roleOf: (records, at) => connections.state?.flowRoleOf(records, at) ?? SocketRole.unknown,
        }),
      ),
    );
  }

  #logShortage(): void {
    const { state } = this.processes;
    state.takeRefusals().forEach((refusal) => this.#logRefusal(refusal));
    const { evicted, nameless, throttleForgotten } = state.counts;
    const sum = evicted + nameless + throttleForgotten;
    if (sum === this.#forgotten) return;
    this.#forgotten = sum;
    this.#warnOfForgotten(
      `Forgot ${evicted} processes, ${nameless} times who listens and ${throttleForgotten} times how often a ` +
        'process was told so far, for want of room: ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE bounds the first',
    );
  }

  #logRefusal(refusal: Refusal): void {
    this.#log.warning(refusalLine(refusal, this.containers.state.metadataOf(refusal.container)));
  }
}

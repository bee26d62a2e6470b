import { map, tap, type Observable } from 'rxjs';
import type { Fact } from '../capture/facts.js';
import type { Publication } from '../telemetry/publication.js';
import { LineageCounts } from './lineage-counts.js';
import type { ProcessSignal } from './signal.js';
import { ProcessState, type LeftOutProcess } from './state.js';

/** A fact, with the process signals made of it. Its records are valid until the next fact. */
export interface ProcessUpdate {
  readonly fact: Fact;
  readonly signals: readonly ProcessSignal[];
}

/** The processes of containers: folds facts into the process table, and counts the signals. */
export class Processes {
  readonly state: ProcessState;
  /** Gets the records without a signal, as in `ProcessState.fold`; undefined: nobody asks. */
  leftOut: LeftOutProcess[] | undefined;
  readonly #capacity: number;
  readonly #lineage = new LineageCounts();
  readonly #originators = { known: 0, unknown: 0 };

  /**
   * @param capacity processes to remember
   * @param throttles whether repeated signals are withheld
   */
  constructor(capacity: number, throttles: boolean) {
    this.state = new ProcessState(capacity, throttles);
    this.#capacity = capacity;
  }

  get publication(): Publication {
    const { state } = this;
    return {
      tables: () => {
        const { processes, evicted } = state.counts;
        return [{ name: 'processes', entries: processes, capacity: this.#capacity, evicted }];
      },
      losses: () => {
        const { evicted, nameless } = state.counts;
        return [
          { stage: 'processes', cause: 'table_full', count: evicted },
          { stage: 'processes', cause: 'originators_full', count: nameless },
        ];
      },
      counters: () => ({
        process_lineage_counts: this.#lineage.signals,
        process_lineage_total: this.#lineage.ancestors,
        process_lineage_sqr_total: this.#lineage.squares,
        process_lineage_string_total: this.#lineage.bytes,
        process_info_hit: this.#originators.known,
        process_info_miss: this.#originators.unknown,
        rate_limit_flushing_counts: state.counts.throttleForgotten,
      }),
      lineage: this.#lineage,
      signals: () => ({ limited: state.counts.throttled }),
      threadCache: () => ({ size: state.counts.processes, evicted: state.counts.evicted }),
    };
  }

  /** Signals made so far. */
  get signals(): number {
    return this.#lineage.signals;
  }

  /** Folds every fact and passes it on with its signals. */
  updates(facts: Observable<Fact>): Observable<ProcessUpdate> {
    return facts.pipe(
      map((fact) => ({ fact, signals: this.state.fold(fact, this.leftOut) })),
      tap(({ signals }) => this.#lineage.add(signals)),
    );
  }

  /** `ProcessState.originatorId`, counted. */
  originatorId(...[container, pid, startTime, image]: Parameters<ProcessState['originatorId']>): number {
    const id = this.state.originatorId(container, pid, startTime, image);
    this.#originators[id === 0 ? 'unknown' : 'known']++;
    return id;
  }
}

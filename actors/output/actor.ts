import { isatty, WriteStream } from 'node:tty';
import { filter, ignoreElements, map, merge, tap, type Observable } from 'rxjs';
import type { StateSettings } from '../capture/facts.js';
import type { NetworkUpdate } from '../connections/actor.js';
import type { ProcessUpdate } from '../processes/actor.js';
import type { Originator } from '../processes/state.js';
import type { Log } from '../telemetry/log.js';
import type { Publication } from '../telemetry/publication.js';
import { Stopwatch } from '../telemetry/stopwatch.js';
import { CompactView, type CompactOptions, type OutputNames } from './compact.js';
import { networkJson, processJson } from './json.js';
import type { StandardOutput } from './standard-output.js';

const STDOUT = 1;

/** The updates of a run: process signals, network deltas, and the names they refer to. */
export interface OutputUpdates extends OutputNames {
  readonly processes: Observable<ProcessUpdate>;
  readonly network: Observable<NetworkUpdate>;
  /** Describes an endpoint's process by its number. */
  readonly originator: (id: number) => Originator;
}

/** Prints the updates of a run. Lines not read in time are dropped, counted and logged. */
export class Printer {
  readonly #output: StandardOutput;
  readonly #format: StateSettings['format'];
  readonly #warn: (message: string) => void;
  readonly #createTimer = new Stopwatch();
  readonly #writeTimer = new Stopwatch();
  #unread = 0;
  #signals = 0;

  constructor(output: StandardOutput, format: StateSettings['format'], log: Log) {
    this.#output = output;
    this.#format = format;
    this.#warn = log.throttled('warning');
  }

  get publication(): Publication {
    return {
      losses: () => [{ stage: 'output', cause: 'nobody_reads', count: this.#unread }],
      signals: () => ({ sent: this.#signals }),
      timers: { net_create_message: this.#createTimer, net_write_message: this.#writeTimer },
    };
  }

  deliver(updates: OutputUpdates): Observable<unknown> {
    const isTTY = isatty(STDOUT);
    const color = isTTY && process.env['NO_COLOR'] === undefined;
    /** Time of the report with lines still to be written, ms. */
    let reported: number | undefined;
    const processes = updates.processes.pipe(tap(({ signals }) => (this.#signals += signals.length)));
    const network = updates.network.pipe(tap(() => (reported = performance.now())));
    return outputLines(
      { ...updates, processes, network },
      this.#format,
      isTTY ? { color, width: new WriteStream(STDOUT).columns } : { color },
    ).pipe(
      tap((lines) => {
        const start = performance.now();
        if (!this.#output.write(`${lines.join('\n')}\n`)) {
          this.#unread += lines.length;
          this.#warn(`Dropped ${this.#unread} lines of output so far, since nobody reads standard output`);
        }
        if (reported === undefined) return;
        this.#createTimer.add(start - reported);
        this.#writeTimer.add(performance.now() - start);
        reported = undefined;
      }),
    );
  }
}

/** Lines without their newlines; the lines of one array came at once. */
export function outputLines(
  updates: OutputUpdates,
  format: StateSettings['format'],
  options: CompactOptions,
): Observable<readonly string[]> {
  const lines = format === 'json' ? jsonLines(updates) : compactLines(updates, options);
  return lines.pipe(filter(({ length }) => length > 0));
}

function jsonLines({ processes, network, originator }: OutputUpdates): Observable<readonly string[]> {
  return merge(
    processes.pipe(map(({ signals }) => signals.map(processJson))),
    network.pipe(map(({ time, delta }) => [networkJson(delta, time, originator)])),
  );
}

/** Reports are not printed, but made: it takes them to fold the connections, for the roles missing in records. */
function compactLines(updates: OutputUpdates, options: CompactOptions): Observable<readonly string[]> {
  const view = new CompactView(updates, options);
  return merge(
    updates.processes.pipe(map(({ fact, signals }) => view.fold(fact, signals))),
    updates.network.pipe(ignoreElements()),
  );
}

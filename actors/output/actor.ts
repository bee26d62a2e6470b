import { filter, ignoreElements, map, merge, type Observable } from 'rxjs';
import type { StateSettings } from '../capture/facts.js';
import type { NetworkNews } from '../connections/actor.js';
import type { ProcessNews } from '../processes/actor.js';
import type { Originator } from '../processes/state.js';
import { CompactView, type CompactOptions, type OutputNames } from './compact.js';
import { networkJson, processJson } from './json.js';

/** What there is to print of a run. */
export interface News extends OutputNames {
  readonly processes: Observable<ProcessNews>;
  readonly network: Observable<NetworkNews>;
  /** Describes an endpoint's process by its number. */
  readonly originator: (id: number) => Originator;
}

/** Lines without their newlines; each array is what came at once. */
export function outputLines(
  news: News,
  format: StateSettings['format'],
  options: CompactOptions,
): Observable<readonly string[]> {
  const lines = format === 'json' ? jsonLines(news) : compactLines(news, options);
  return lines.pipe(filter(({ length }) => length > 0));
}

function jsonLines({ processes, network, originator }: News): Observable<readonly string[]> {
  return merge(
    processes.pipe(map(({ signals }) => signals.map(processJson))),
    network.pipe(map(({ time, delta }) => [networkJson(delta, time, originator)])),
  );
}

/** Reports are not shown, but made: that folds the connections, which know roles that records do not have. */
function compactLines(news: News, options: CompactOptions): Observable<readonly string[]> {
  const view = new CompactView(news, options);
  return merge(
    news.processes.pipe(map(({ fact, signals }) => view.fold(fact, signals))),
    news.network.pipe(ignoreElements()),
  );
}

import { filter, map, merge, type Observable } from 'rxjs';
import type { ContainerMetadata, StateSettings } from '../capture/facts.js';
import type { NetworkNews } from '../connections/actor.js';
import type { ProcessNews } from '../processes/actor.js';
import type { Originator } from '../processes/state.js';
import { CompactView, type CompactOptions } from './compact.js';
import { networkMessage, processMessage } from './json.js';

/** What there is to print of a run. */
export interface News {
  readonly processes: Observable<ProcessNews>;
  readonly network: Observable<NetworkNews>;
  /** Describes an endpoint's process by its number. */
  readonly originator: (id: number) => Originator;
  /** What a runtime told of a container, by the container's number. */
  readonly metadata: (container: number) => ContainerMetadata | undefined;
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
    processes.pipe(map(({ signals }) => signals.map(processMessage))),
    network.pipe(map(({ time, delta }) => [networkMessage(delta, time, originator)])),
  );
}

function compactLines({ processes, metadata }: News, options: CompactOptions): Observable<readonly string[]> {
  const view = new CompactView(metadata, options);
  return processes.pipe(map(({ fact, signals }) => view.fold(fact, signals)));
}

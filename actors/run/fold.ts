import { connect, tap, type Observable } from 'rxjs';
import type { Fact, StateSettings } from '../capture/facts.js';
import { SocketRole } from '../capture/layout.js';
import type { Slices } from '../capture/slices.js';
import { networkNews } from '../connections/actor.js';
import type { ConnectionState } from '../connections/state.js';
import { containerId } from '../containers/id.js';
import { MOST_NAMED } from '../containers/metadata.js';
import { refusalLine } from '../containers/refusal-line.js';
import { ContainerState } from '../containers/state.js';
import type { Observer } from '../http/observer.js';
import type { News } from '../output/actor.js';
import { processNews } from '../processes/actor.js';
import { ProcessState } from '../processes/state.js';
import type { Refusal } from '../shares/refusals.js';
import type { Log } from '../telemetry/log.js';

/** Who hears of what a fold meets. */
interface Surroundings {
  readonly log: Log;
  readonly observer?: Observer;
  /** A container was met that no runtime has told of; so many so far. */
  readonly onStranger?: (count: number) => void;
}

/**
 * Folds facts, and passes on what there is to tell.
 */
export function fold(
  facts: Observable<Fact>,
  { processTableSize, format }: StateSettings,
  slices: Slices,
  tell: (news: News) => Observable<unknown>,
  { log, observer, onStranger = () => undefined }: Surroundings,
): Observable<unknown> {
  // A person who watches gets a line for each event.
  const state = new ProcessState(processTableSize, format !== 'compact');
  const warn = log.throttled('warning');
  let forgotten = 0;
  const containers = new ContainerState();
  let connections: ConnectionState | undefined;
  const warnOfNames = log.throttled('warning');
  const sayRefusal = (refusal: Refusal) =>
    log.warning(refusalLine(refusal, containers.metadataOf(refusal.container)));
  let strangers = 0;
  let unnamed = 0;
  if (observer !== undefined) {
    observer.processes = state;
    observer.containers = containers;
  }
  return facts.pipe(
    tap((fact) => {
      for (const { id, cgroup } of containers.fold(fact)) {
        log.warning(`Container ${id} was told by the kernel side, but its cgroup is '${cgroup}'`);
      }
      if (containers.unknownContainers !== strangers) onStranger((strangers = containers.unknownContainers));
      if (containers.namesEvicted === unnamed) return;
      unnamed = containers.namesEvicted;
      warnOfNames(`Forgot the names of ${unnamed} containers so far: there is room for ${MOST_NAMED}`);
    }),
    tap(({ kind }) => {
      if (kind !== 'tick') return;
      state.takeRefusals().forEach(sayRefusal);
      const { evicted, nameless, throttleForgotten } = state.counts;
      const sum = evicted + nameless + throttleForgotten;
      if (sum === forgotten) return;
      forgotten = sum;
      warn(
        `Forgot ${evicted} processes, ${nameless} times who listens and ${throttleForgotten} times how often a ` +
          'process was told so far, for want of room: ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE bounds the first',
      );
    }),
    connect((shared) =>
      tell({
        processes: processNews(shared, state).pipe(tap(({ signals }) => observer?.signals(signals))),
        network: networkNews(
          shared,
          (container, pid, startTime, image) => {
            const id = state.originatorId(container, pid, startTime, image);
            return observer?.originator(id) ?? id;
          },
          slices,
          {
            ...observer?.network,
            onState: (made) => {
              connections = made;
              observer?.network.onState?.(made);
            },
            onLimited: ({ of, container, count, most }) =>
              log.warning(
                `Container ${containerId(container)} has too many new ${of}: a report has room for ${most} ` +
                  `(networking.maxConnectionsPerMinute), ${count} wait for later ones. This is said once.`,
              ),
            onRefusal: sayRefusal,
          },
          state,
        ),
        originator: (id) => state.originator(id),
        metadata: (container) => containers.metadataOf(container),
        roleOf: (records, at) => connections?.roleOf(records, at) ?? SocketRole.unknown,
      }),
    ),
  );
}

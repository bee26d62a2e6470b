import type { Route } from '../http/route.js';
import type { Log } from '../telemetry/log.js';
import type { EventRelay } from './event-relay.js';
import { EventStreams, type MessageSource } from './event-streams.js';
import { fileRoutes } from './files.js';
import { guarded } from '../http/guard.js';

export interface InspectionOptions {
  /** Folder with the files of the page. */
  readonly folder: string;
  /** Names this server may be called by: see `guarded`. */
  readonly hosts: readonly string[];
  readonly log: Log;
  /** Of the kernel, for streams with `?events`. */
  readonly events?: EventRelay;
  /** Views of state, below /inspect/. */
  readonly views?: readonly Route[];
}

/** Serves the page at /inspect, its stream of messages, and views of state. */
export function inspectionRoutes(
  inspection: MessageSource,
  { folder, hosts, log, events, views = [] }: InspectionOptions,
): Route[] {
  const warn = log.throttled('warning');
  const streams = new EventStreams(inspection, events, () =>
    warn(
      'Cut an inspection of Collector: its reader does not keep up. The page at /inspect begins anew by itself',
    ),
  );
  return guarded([streams.route, ...views, ...fileRoutes(folder)], { hosts });
}

import type { Readiness } from '../capture/health.js';
import { levels, type Level } from '../telemetry/line.js';
import type { KernelTotals } from '../telemetry/inherited-metrics.js';
import { json, type Route } from './route.js';

export interface OperationSources {
  readonly readiness: () => Readiness;
  /** The node's name. */
  readonly node: string;
  readonly kernel: () => KernelTotals;
  /** The level of the log, to read and to set. */
  readonly log: { level: Level };
}

/** Routes for people, probes and Kubernetes to operate a running Collector. */
export function operationRoutes({ readiness, node, kernel, log }: OperationSources): Route[] {
  return [
    {
      // Needs nothing but the event loop: only a stalled Collector does not answer.
      method: 'GET',
      path: '/live',
      handle: () => json(200, { status: 'live' }),
    },
    {
      method: 'GET',
      path: '/ready',
      handle: () => {
        const state = readiness();
        if (state.is === 'waiting') return json(503, {});
        const collector = { node, ...kernel() };
        if (state.is === 'ready') return json(200, { status: 'ok', collector });
        return json(503, { status: 'blind', error: state.cause, collector });
      },
    },
    {
      method: 'POST',
      path: '/loglevel',
      handle: ({ body }) => {
        const wanted = body.trim();
        const level = levels.find((name) => name === wanted.toLowerCase());
        if (level === undefined && wanted !== '') {
          const allowed = levels.join(', ');
          return json(400, { status: 'Error', error: `'${wanted}' is no log level (allowed: ${allowed})` });
        }
        if (level !== undefined) log.level = level;
        return json(200, { status: 'Ok', level: log.level.toUpperCase() });
      },
    },
  ];
}

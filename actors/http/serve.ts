import { table, type Settings } from '../settings/table.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { createApp } from './app.js';
import { ConnectionLimit } from './connection-limit.js';
import { introspectionRoutes, type Introspection } from './introspection.js';
import { loopbackOnly } from './loopback.js';
import { operationRoutes, type OperationSources } from './operation.js';
import type { Route } from './route.js';
import { openServer } from './server.js';

/** Sources of the servers' answers. */
export interface ServerSources extends Pick<OperationSources, 'readiness' | 'node'> {
  readonly telemetry: Telemetry;
  readonly introspection: Introspection;
  readonly log: Log;
  /** Routes of other parts. */
  readonly more?: readonly Route[];
  /** Routes of other parts that show what Collector sees, served with introspection only. */
  readonly inspected?: readonly Route[];
}

/**
 * Opens both servers; they live as long as the process. An unusable address ends the start, except for a default one
 * without a Sensor: a person watching events at a terminal did not ask for a server.
 * @throws Failure ADDRESS_UNUSABLE
 */
export async function serve(
  settings: Settings,
  { telemetry, introspection, readiness, node, log, more = [], inspected = [] }: ServerSources,
): Promise<void> {
  const operation = operationRoutes({
    readiness,
    kernel: () => telemetry.kernel(),
    node,
    log,
  });
  const introspected = introspectedRoutes(settings, [...introspectionRoutes(introspection), ...inspected]);
  const warn = log.throttled('error');
  const warnOfCuts = log.throttled('warning');
  let cut = 0;
  telemetry.publish({ connectionsCut: () => cut });
  const limit = new ConnectionLimit(() => {
    cut++;
    warnOfCuts(
      'Cut the oldest connection to an HTTP server to make room for a new one: the limit of open files leaves room ' +
        'for no more, or there are 1024',
    );
  });
  const open = async (what: string, setting: 'httpAddress' | 'metricsAddress', routes: readonly Route[]) => {
    const app = createApp(routes, (error) =>
      warn(`${what} server: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
    );
    const address = settings[setting];
    const { environment = setting, default: usual } = table[setting];
    const listener = app.callback();
    try {
      const server = await openServer(
        (request, response) => void listener(request, response),
        address,
        environment,
        limit,
        (error) => telemetry.shortages.note(error, `a connection to the ${what} server`),
      );
      log.info(`${what} server listens on ${server.address}`);
    } catch (error) {
      const isOptional = settings.grpcServer === '' && address === usual;
      if (!isOptional || !(error instanceof Failure)) throw error;
      log.warning(`${error.message} It goes on without; ${environment} can name another address.`);
    }
  };
  await open('HTTP', 'httpAddress', [...operation, ...introspected, ...more]);
  await open('Metrics', 'metricsAddress', [metricsRoute(telemetry)]);
}

/** The routes that show what Collector sees, for whom the settings allow them. */
function introspectedRoutes({ introspection }: Settings, routes: readonly Route[]): readonly Route[] {
  if (introspection === 'loopback') return loopbackOnly(routes);
  return introspection ? routes : [];
}

/** The metrics, for Prometheus. */
export function metricsRoute({ metrics }: Pick<Telemetry, 'metrics'>): Route {
  return {
    method: 'GET',
    path: '/metrics',
    handle: async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
  };
}

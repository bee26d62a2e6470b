import { table, type Settings } from '../settings/table.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import { createApp } from './app.js';
import { ConnectionLimit } from './connection-limit.js';
import { introspectionRoutes } from './introspection.js';
import { operationRoutes } from './operation.js';
import type { Observer } from './observer.js';
import type { Route } from './route.js';
import { openServer } from './server.js';

/**
 * Opens both servers, which live as long as the process. An address that cannot be listened on ends the start, but
 * for a default one without a Sensor: whoever looks at events at a terminal did not ask for a server.
 * @param node the node's name @param more routes of others
 * @throws Failure ADDRESS_UNUSABLE
 */
export async function serve(
  settings: Settings,
  observer: Observer,
  { node, log, more = [] }: { readonly node: string; readonly log: Log; readonly more?: readonly Route[] },
): Promise<void> {
  const operation = operationRoutes({
    readiness: () => observer.readinessNow(),
    kernel: () => observer.kernel(),
    node,
    log,
  });
  const introspection = settings.introspection ? introspectionRoutes(observer.introspection) : [];
  const warn = log.throttled('error');
  const warnOfCuts = log.throttled('warning');
  const limit = new ConnectionLimit(() => {
    observer.connectionsCut++;
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
        (error) => observer.shortages.note(error, `a connection to the ${what} server`),
      );
      log.info(`${what} server listens on ${server.address}`);
    } catch (error) {
      const isOptional = settings.grpcServer === '' && address === usual;
      if (!isOptional || !(error instanceof Failure)) throw error;
      log.warning(`${error.message} It goes on without; ${environment} can name another address.`);
    }
  };
  await open('HTTP', 'httpAddress', [...operation, ...introspection, ...more]);
  await open('Metrics', 'metricsAddress', [metricsRoute(observer)]);
}

/** What Prometheus asks for. */
export function metricsRoute({ metrics }: Pick<Observer, 'metrics'>): Route {
  return {
    method: 'GET',
    path: '/metrics',
    handle: async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
  };
}

import { table, type Settings } from '../settings/table.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { createApp } from './app.js';
import { guarded, withoutCrossSite } from './guard.js';
import { ConnectionLimit } from './connection-limit.js';
import { introspectionRoutes, type Introspection } from './introspection.js';
import { loopbackOnly } from './loopback.js';
import { operationRoutes, type OperationSources } from './operation.js';
import type { Route } from './route.js';
import { openServer } from './server.js';
import { openSocket, SocketProblem } from './socket.js';

/** Sources of the servers' answers. */
export interface ServerSources extends Pick<OperationSources, 'readiness' | 'node'> {
  readonly telemetry: Telemetry;
  readonly introspection: Introspection;
  readonly log: Log;
  /** Routes of other parts. */
  readonly more?: readonly Route[];
  /** Routes of other parts about the node and the run, served with introspection only. */
  readonly inspected?: readonly Route[];
  /** Routes for the command `collector`, served on its socket only. */
  readonly asked?: readonly Route[];
}

export interface Served {
  /** host:port of the HTTP server; undefined if it had no usable address. */
  readonly address: string | undefined;
  readonly closeSocket: () => void;
}

/**
 * Opens the servers and the socket for the command; the servers live as long as the process. An unusable address ends
 * the start, except for a default one without a Sensor: a person watching events at a terminal did not ask for a
 * server. A run without the socket goes on.
 * @throws Failure ADDRESS_UNUSABLE
 */
export async function serve(
  settings: Settings,
  { telemetry, introspection, readiness, node, log, more = [], inspected = [], asked = [] }: ServerSources,
): Promise<Served> {
  const operation = operationRoutes({
    readiness,
    kernel: () => telemetry.kernel(),
    node,
    log,
  });
  const guards = { hosts: settings.inspectHosts };
  const introspected = introspectedRoutes(settings, [
    ...guarded(introspectionRoutes(introspection), guards),
    ...inspected,
  ]);
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
  const listenerOf = (what: string, routes: readonly Route[]) =>
    createApp(routes, (error) =>
      warn(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
    ).callback();
  const open = async (what: string, setting: 'httpAddress' | 'metricsAddress', routes: readonly Route[]) => {
    const address = settings[setting];
    const { environment = setting, default: usual } = table[setting];
    const listener = listenerOf(`${what} server`, routes);
    try {
      const server = await openServer(
        (request, response) => void listener(request, response),
        address,
        environment,
        limit,
        (error) => telemetry.shortages.note(error, `a connection to the ${what} server`),
      );
      log.info(`${what} server listens on ${server.address}`);
      return server.address;
    } catch (error) {
      const isOptional = settings.grpcServer === '' && address === usual;
      if (!isOptional || !(error instanceof Failure)) throw error;
      log.warning(`${error.message} It goes on without; ${environment} can name another address.`);
      return undefined;
    }
  };
  const address = await open('HTTP', 'httpAddress', [
    ...withoutCrossSite(operation),
    ...introspected,
    ...guarded(more, guards),
  ]);
  await open('Metrics', 'metricsAddress', [metricsRoute(telemetry)]);
  if (settings.socket === '') return { address, closeSocket: () => undefined };
  const all = [
    ...operation,
    ...introspectionRoutes(introspection),
    ...more,
    metricsRoute(telemetry),
    ...asked,
  ];
  const listener = listenerOf('Socket of the command', all);
  try {
    const socket = await openSocket(
      (request, response) => void listener(request, response),
      settings.socket,
      (error) => telemetry.shortages.note(error, 'a connection to the socket of the command'),
    );
    return { address, closeSocket: socket.close };
  } catch (error) {
    if (!(error instanceof SocketProblem)) throw error;
    log.warning(
      `The command collector cannot ask this run at ${settings.socket}: ${error.message}. It goes on without; ` +
        'ROX_COLLECTOR_SOCKET can name another file, or none.',
    );
    return { address, closeSocket: () => undefined };
  }
}

/** The routes about the node and the run, for the clients allowed by the settings. */
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

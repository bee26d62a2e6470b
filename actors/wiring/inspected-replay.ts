import path from 'node:path';
import { createApp } from '../http/app.js';
import { json, type Route } from '../http/route.js';
import { openServer, type HttpServer } from '../http/server.js';
import { parseCommand } from '../inspection/player.js';
import { viewRoutes } from '../inspection/view-routes.js';
import { inspectionRoutes } from '../inspection/routes.js';
import { Failure } from '../telemetry/failures.js';
import { createLog } from '../telemetry/log.js';
import type { RunContext } from './context.js';
import { ReplayPlayer } from './replay-player.js';

/** Where a replay is served if the settings leave it to Collector, and where else. */
const USUAL_ADDRESS = '127.0.0.1:8080';
const ANY_ADDRESS = '127.0.0.1:0';
/** Folder of the page's files. */
const PAGE = path.join(import.meta.dirname, 'inspect');

/**
 * Plays a recording at /inspect until `stop` aborts; prints nothing.
 * @param version of this Collector
 * @throws Failure
 */
export async function inspectReplay(
  file: string,
  context: RunContext,
  version: string,
  stop: AbortSignal,
): Promise<void> {
  const { settings, log } = context;
  const player = new ReplayPlayer({
    file,
    settings: settings.format === undefined ? {} : { format: settings.format },
    version,
    onCut: (failure) =>
      log.warning(failure?.message ?? `The recording ${file} has no end: its run failed or was killed.`),
    log,
    silentLog: createLog({ level: 'fatal', write: () => undefined }),
  });
  const routes = inspectionRoutes(player, {
    folder: PAGE,
    hosts: settings.inspectHosts,
    log,
    events: player.events,
    views: [commandRoute(player), ...viewRoutes(player.views)],
  });
  const server = await serveReplay(routes, context);
  log.info(`Watch it at http://${server.address}/inspect`);
  try {
    await player.run(stop);
  } finally {
    server.close();
  }
}

async function serveReplay(
  routes: readonly Route[],
  { settings: { inspect = '' }, log }: RunContext,
): Promise<HttpServer> {
  const warn = log.throttled('error');
  const listener = createApp(routes, (error) =>
    warn(`Inspection: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
  ).callback();
  const open = async (address: string): Promise<HttpServer> =>
    openServer((request, response) => void listener(request, response), address, '--inspect');
  if (inspect !== '') return open(inspect);
  try {
    return await open(USUAL_ADDRESS);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return open(ANY_ADDRESS);
  }
}

/** Takes the commands of watchers. */
function commandRoute(player: ReplayPlayer): Route {
  return {
    method: 'POST',
    path: '/inspect/replay',
    handle: ({ body }) => {
      const command = parseCommand(body);
      if ('error' in command) return json(400, command);
      player.command(command);
      return json(200, { status: 'Ok' });
    },
  };
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { guarded } from '../../actors/http/guard.js';
import { Introspection } from '../../actors/http/introspection.js';
import { profileRoutes } from '../../actors/http/profile.js';
import { serve } from '../../actors/http/serve.js';
import { Inspection } from '../../actors/inspection/actor.js';
import { askRoutes } from '../../actors/inspection/ask-routes.js';
import { EventRelay } from '../../actors/inspection/event-relay.js';
import { inspectionRoutes } from '../../actors/inspection/routes.js';
import { Views, viewRoutes } from '../../actors/inspection/view-routes.js';
import { Profile } from '../../actors/profiles/profile.js';
import type { Sampler } from '../../actors/profiles/sampler.js';
import { readSettings } from '../../actors/settings/read.js';
import { withoutFile } from '../../actors/settings/runtime-config.js';
import { LastLines } from '../../actors/telemetry/last-lines.js';
import { createLog, type Log } from '../../actors/telemetry/log.js';
import { Telemetry } from '../../actors/telemetry/telemetry.js';
import type { FuzzedNode } from './node.js';

const VERSION = '0.0.0';
const NODE = { version: VERSION, node: 'fuzzed', release: '6.1.0' } as const;

/** The servers of a run with everything on: all routes, as collector.ts puts them together. */
export class ServedNode {
  /** host:port of the HTTP server. */
  readonly address: string;
  readonly socket: string;
  readonly log: Log;
  /** Lines of the servers about errors of their own. */
  readonly errors: string[];
  readonly #close: () => void;

  private constructor(of: Pick<ServedNode, 'address' | 'socket' | 'log' | 'errors'>, close: () => void) {
    this.address = of.address;
    this.socket = of.socket;
    this.log = of.log;
    this.errors = of.errors;
    this.#close = close;
  }

  static async start(node: FuzzedNode): Promise<ServedNode> {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-fuzz-http-'));
    const socket = path.join(folder, 'collector.sock');
    const errors: string[] = [];
    const log = errorLog(errors);
    const { settings } = readSettings([], {
      ROX_COLLECTOR_HTTP_ADDRESS: '127.0.0.1:0',
      ROX_COLLECTOR_METRICS_ADDRESS: '127.0.0.1:0',
      ROX_COLLECTOR_INTROSPECTION_ENABLE: 'true',
      ROX_COLLECTOR_SOCKET: socket,
    });
    const { containers, processes, connections, events } = node.pipeline;
    const telemetry = new Telemetry({ version: VERSION, detailed: true, quantiles: [0.5], log });
    for (const { publication } of [containers, processes, connections]) telemetry.publish(publication);
    const originator = (id: number) => processes.state.originator(id);
    const introspection = new Introspection(withoutFile(settings));
    introspection.offer({
      container: (id) => containers.view(id),
      connections: (view) => connections.listConnections({ ...view, originator }),
      endpoints: (view) => connections.listEndpoints({ ...view, originator }),
    });
    const inspection = new Inspection({ ...NODE, mode: 'live' });
    const views = new Views();
    views.offer(node.sources);
    const relay = new EventRelay();
    relay.attach(events);
    const hosts: readonly string[] = [];
    const asked = askRoutes({
      settings,
      inspection,
      readiness: () => ({ is: 'ready' }),
      counts: telemetry.sources,
      node: () => ({ events, node: node.sources }),
      logLines: new LastLines(),
    });
    const page = inspectionRoutes(inspection, {
      folder: import.meta.dirname,
      hosts,
      log,
      events: relay,
      views: viewRoutes(views),
    });
    const { address, closeSocket } = await serve(settings, {
      telemetry,
      introspection,
      readiness: () => ({ is: 'ready' }),
      node: NODE.node,
      log,
      more: profileRoutes({ cpu: stillProfile(log), heap: stillProfile(log) }),
      inspected: [...page, ...guarded(asked, { hosts })],
      asked,
    });
    const close = () => {
      closeSocket();
      rmSync(folder, { recursive: true, force: true });
    };
    return new ServedNode({ address: address!, socket, log, errors }, close);
  }

  /** The servers themselves live as long as the process. */
  close(): void {
    this.#close();
  }
}

/** A log whose errors are kept, each of them: none is throttled. */
function errorLog(errors: string[]): Log {
  const log = createLog({ level: 'info', write: () => undefined });
  const keep = (level: string) => (message: string) => {
    if (level === 'error') errors.push(message);
  };
  return Object.assign(Object.create(log) as Log, { throttled: keep, error: keep('error') });
}

/** A profile of nothing: a real one would sample this process. */
function stillProfile(log: Log): Profile {
  const raw = { kind: 'cpu', time: 0, duration: 0, samples: 0, nodes: [] } as const;
  const sampler: Sampler = { start: async () => Promise.resolve(), stop: async () => Promise.resolve(raw) };
  const encode = async (): Promise<Buffer> => Promise.resolve(Buffer.from('profile'));
  return new Profile({ name: 'Still', sampler, encode, most: 1000, log });
}

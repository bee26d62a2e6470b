import type { View } from '../connections/listing.js';
import { CONTAINER_ID, containerNumber, NO_CONTAINER_ID } from '../containers/id.js';
import type { RuntimeConfig } from '../settings/runtime-config.js';
import { shorten } from '../settings/shorten.js';
import { OneAtATime } from './one-at-a-time.js';
import { json, type HttpRequest, type Route } from './route.js';

/** The answer about a container: metadata of its runtime (`namespace`, for example), and its cgroup. */
export type ContainerView = Readonly<Record<string, unknown>>;

export interface IntrospectionSources {
  /** By the 12 digits of its id; undefined if there is none. */
  readonly container: (id: string) => ContainerView | undefined;
  /** The text of a JSON object, in pieces; undefined while nothing is collected. */
  readonly connections: (view: Omit<View, 'originator'>) => Iterable<string> | undefined;
  readonly endpoints: (view: Omit<View, 'originator'>) => Iterable<string> | undefined;
  /** In force now. */
  readonly runtimeConfig: () => RuntimeConfig;
}

/** State for whoever debugs: parts offer their views as soon as they exist; before that there is nothing to see. */
export class Introspection implements IntrospectionSources {
  #sources: IntrospectionSources;

  /** @param runtimeConfig in force while none was read */
  constructor(runtimeConfig: RuntimeConfig) {
    const none = () => undefined;
    this.#sources = {
      container: none,
      connections: none,
      endpoints: none,
      runtimeConfig: () => runtimeConfig,
    };
  }

  offer(views: Partial<IntrospectionSources>): void {
    this.#sources = { ...this.#sources, ...views };
  }

  container(id: string): ContainerView | undefined {
    return this.#sources.container(id);
  }

  connections(view: Omit<View, 'originator'>): Iterable<string> | undefined {
    return this.#sources.connections(view);
  }

  endpoints(view: Omit<View, 'originator'>): Iterable<string> | undefined {
    return this.#sources.endpoints(view);
  }

  runtimeConfig(): RuntimeConfig {
    return this.#sources.runtimeConfig();
  }
}

/** Serves the state for debugging; see the setting ROX_COLLECTOR_INTROSPECTION_ENABLE. */
export function introspectionRoutes(sources: IntrospectionSources): Route[] {
  const oneAtATime = new OneAtATime('the network');
  return [
    {
      method: 'GET',
      path: '/state/containers/*',
      handle: ({ rest: id }) => {
        if (!CONTAINER_ID.test(id)) return json(400, { error: `'${shorten(id)}' ${NO_CONTAINER_ID}` });
        const metadata = sources.container(id);
        if (metadata === undefined) return json(404, { error: `No container ${id} is known.` });
        return json(200, { container_id: id, namespace: '', ...metadata });
      },
    },
    ...(['connection', 'endpoint'] as const).map((what): Route => ({
      method: 'GET',
      path: `/state/network/${what}`,
      handle: (request) => {
        const view = readView(request);
        if (typeof view === 'string') return json(400, { error: view });
        return oneAtATime.respond(() => sources[`${what}s`](view) ?? ['{\n}\n']);
      },
    })),
    {
      method: 'GET',
      path: '/state/runtime-config',
      handle: () => json(200, configView(sources.runtimeConfig())),
    },
  ];
}

/** @returns the requested view, or the error in the request */
function readView({ query }: HttpRequest): Omit<View, 'originator'> | string {
  const container = query.get('container');
  if (container !== null && !CONTAINER_ID.test(container))
    return `container: '${shorten(container)}' ${NO_CONTAINER_ID}`;
  const normalize = query.get('normalize') ?? 'true';
  if (normalize !== 'true' && normalize !== 'false')
    return `normalize: '${shorten(normalize)}' is not allowed (allowed: true or false)`;
  return {
    normalize: normalize === 'true',
    ...(container !== null && { container: containerNumber(container) }),
  };
}

/** In the form of the runtime configuration file. */
function configView({ externalIps, maxConnectionsPerMinute }: RuntimeConfig): unknown {
  return {
    networking: {
      externalIps: {
        enabled: externalIps === 'none' ? 'DISABLED' : 'ENABLED',
        direction: externalIps === 'none' ? 'BOTH' : externalIps.toUpperCase(),
      },
      maxConnectionsPerMinute,
    },
  };
}

import { IPPROTO_TCP, IPPROTO_UDP } from '../capture/linux.js';
import { parseAddress } from '../connections/address.js';
import { CONTAINER_ID, containerNumber, NO_CONTAINER_ID } from '../containers/id.js';
import { OneAtATime } from '../http/one-at-a-time.js';
import { json, type HttpRequest, type HttpResponse, type Route } from '../http/route.js';
import { shorten } from '../settings/shorten.js';
import { nodeView } from './node-view.js';
import { why, type WhyQuery, type WhySources } from './why.js';

/** Texts of JSON in pieces; undefined while nothing is collected. */
export interface ViewSources {
  /** A `NodeView`. @param container the only one; all without it */
  readonly node: (container: number | undefined) => Iterable<string> | undefined;
  /** A `WhyView`. */
  readonly why: (query: WhyQuery) => Iterable<string> | undefined;
}

/** The views of a run: offered as soon as its states exist. */
export class Views implements ViewSources {
  #sources: WhySources | undefined;

  offer(sources: WhySources): void {
    this.#sources = sources;
  }

  node(container: number | undefined): Iterable<string> | undefined {
    const sources = this.#sources;
    return sources?.connections() === undefined ? undefined : nodeView(sources, container);
  }

  why(query: WhyQuery): Iterable<string> | undefined {
    const sources = this.#sources;
    return sources?.connections() === undefined ? undefined : whyText(sources, query);
  }
}

function* whyText(sources: WhySources, query: WhyQuery): Generator<string> {
  yield `${JSON.stringify(yield* why(sources, query))}\n`;
}

/** Serves views of the node: see `NodeView` and `WhyView`. */
export function viewRoutes(sources: ViewSources): Route[] {
  const oneAtATime = new OneAtATime('the node');
  const oneReason = new OneAtATime('why something is reported or not');
  return [
    {
      method: 'GET',
      path: '/inspect/node',
      handle: ({ query }) => {
        const container = attempt(() => readNode(new Query(query)));
        if (container instanceof BadQuery) return refused(container);
        const pieces = sources.node(container);
        return pieces === undefined ? nothingYet() : oneAtATime.respond(() => pieces);
      },
    },
    {
      method: 'GET',
      path: '/inspect/why',
      handle: ({ query }) => {
        const wanted = attempt(() => readWhy(new Query(query)));
        if (wanted instanceof BadQuery) return refused(wanted);
        const pieces = sources.why(wanted);
        return pieces === undefined ? nothingYet() : oneReason.respond(() => pieces);
      },
    },
  ];
}

function nothingYet(): HttpResponse {
  return json(503, { error: 'Nothing is collected yet: ask again later.' });
}

function refused({ message }: BadQuery): HttpResponse {
  return json(400, { error: message });
}

/** An error in a query; its message has the place, the value and the allowed ones. */
class BadQuery extends Error {}

/** @returns the error if `read` refuses the query */
function attempt<T>(read: () => T): T | BadQuery {
  try {
    return read();
  } catch (error) {
    if (error instanceof BadQuery) return error;
    throw error;
  }
}

/** Parameters of `/inspect/why`. */
const CONNECTION = ['local', 'localPort', 'remote', 'remotePort'] as const;
const PROTOCOLS = { tcp: IPPROTO_TCP, udp: IPPROTO_UDP } as const;

function readNode(query: Query): number | undefined {
  query.allowOnly(['container']);
  return query.container();
}

function readWhy(query: Query): WhyQuery {
  query.allowOnly(['container', 'protocol', 'port', ...CONNECTION]);
  const container = query.container();
  if (container === undefined)
    throw new BadQuery('container: missing (allowed: 12 digits; empty for the host)');
  const protocol = query.protocol();
  const of = CONNECTION.filter((name) => query.has(name));
  if (query.has('port')) {
    const other = of[0];
    if (other !== undefined)
      throw new BadQuery(`${other}: not allowed with port, which asks for an endpoint`);
    if (protocol === undefined) throw new BadQuery('protocol: missing beside port (allowed: tcp or udp)');
    return { of: 'endpoint', container, protocol, port: query.port('port')! };
  }
  if (of.length === 0) {
    if (protocol === undefined) return { of: 'container', container };
    throw new BadQuery(`protocol: not allowed alone (allowed: with port, or with ${CONNECTION.join(', ')})`);
  }
  const [local, remote] = [query.address('local'), query.address('remote')];
  const [localPort, remotePort] = [query.port('localPort'), query.port('remotePort')];
  return {
    of: 'connection',
    container,
    ...(protocol !== undefined && { protocol }),
    ...(local !== undefined && { local }),
    ...(localPort !== undefined && { localPort }),
    ...(remote !== undefined && { remote }),
    ...(remotePort !== undefined && { remotePort }),
  };
}

/** Reads parameters strictly: each at most once, and nothing but allowed values. */
class Query {
  readonly #query: HttpRequest['query'];

  constructor(query: HttpRequest['query']) {
    this.#query = query;
  }

  allowOnly(names: readonly string[]): void {
    for (const name of this.#query.keys()) {
      if (!names.includes(name))
        throw new BadQuery(`'${shorten(name)}' is no parameter here (allowed: ${names.join(', ')})`);
      if (this.#query.getAll(name).length > 1) throw new BadQuery(`${name}: given more than once`);
    }
  }

  has(name: string): boolean {
    return this.#query.has(name);
  }

  /** A container's number; empty is the host. */
  container(): number | undefined {
    const text = this.#query.get('container');
    if (text === null) return undefined;
    if (text === '') return 0;
    if (!CONTAINER_ID.test(text)) throw new BadQuery(`container: '${shorten(text)}' ${NO_CONTAINER_ID}`);
    return containerNumber(text);
  }

  protocol(): number | undefined {
    const text = this.#query.get('protocol');
    if (text === null) return undefined;
    if (text === 'tcp' || text === 'udp') return PROTOCOLS[text];
    throw new BadQuery(`protocol: '${shorten(text)}' is not allowed (allowed: tcp or udp)`);
  }

  port(name: string): number | undefined {
    const text = this.#query.get(name);
    if (text === null) return undefined;
    const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
    if (port <= 0xffff) return port;
    throw new BadQuery(`${name}: '${shorten(text)}' is not allowed (allowed: a port, 0 to 65535)`);
  }

  address(name: string): ReturnType<typeof parseAddress> {
    const text = this.#query.get(name);
    if (text === null) return undefined;
    const address = parseAddress(text);
    if (address !== undefined) return address;
    throw new BadQuery(
      `${name}: '${shorten(text)}' is not allowed (allowed: an IPv4 or IPv6 address, without brackets)`,
    );
  }
}

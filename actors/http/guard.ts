import { isIP } from 'node:net';
import { json, type HttpRequest, type HttpResponse, type Route } from './route.js';

/** Headers of every answer: nothing from elsewhere runs in the page, and no other page reads or frames it. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
} as const;

export interface GuardOptions {
  /** Names this server may be called by, beside addresses and names nobody on the internet can own. */
  readonly hosts: readonly string[];
}

/** Endings of names nobody on the internet can own: no page from there has one. */
const OWN_NAME = /\.(?:svc|local|internal)$/;

/**
 * Guards routes against web pages from elsewhere in the reader's browser. A page whose name was made to resolve to
 * this server (DNS rebinding) is told by its name in `Host`; any other by what browsers say of the origin of requests.
 */
export function guarded(routes: readonly Route[], { hosts }: GuardOptions): Route[] {
  const names = new Set(hosts.map((name) => name.toLowerCase()));
  return routes.map((route) => ({
    ...route,
    handle: async (request) => {
      const response = misnamed(request, names) ?? crossSite(request) ?? (await route.handle(request));
      return { ...response, headers: { ...HEADERS, ...response.headers } };
    },
  }));
}

/** Refuses requests of pages of other sites alone, whatever name this server was called by. */
export function withoutCrossSite(routes: readonly Route[]): Route[] {
  return routes.map((route) => ({
    ...route,
    handle: async (request) => crossSite(request) ?? route.handle(request),
  }));
}

function misnamed({ headers }: HttpRequest, names: ReadonlySet<string>): HttpResponse | undefined {
  const name = hostOf(headers.host ?? '');
  // A name without a dot is of this machine, or of its network.
  const isOwn = name !== '' && (!name.includes('.') || OWN_NAME.test(name));
  if (isIP(name) === 0 && !names.has(name) && !isOwn)
    return json(421, {
      error:
        `This server is not known as '${name}': ask for it by an address or as localhost, or add the name to ` +
        'ROX_COLLECTOR_INSPECT_HOSTS.',
    });
  return undefined;
}

function crossSite({ headers }: HttpRequest): HttpResponse | undefined {
  if (!isCrossSite(headers, headers.host ?? '')) return undefined;
  return json(403, { error: 'Other sites may link here, but not read or change what is here.' });
}

/** The name or address in a `Host` header, without its port, in lower case. */
function hostOf(host: string): string {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host) ?? [];
  return (bracketed ?? plain).toLowerCase().replace(/\.$/, '');
}

/** Whether another site's page asks; following a link to the page is no question. */
function isCrossSite(headers: HttpRequest['headers'], host: string): boolean {
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) return true;
  const site = headers['sec-fetch-site'] ?? 'none';
  if (site === 'none' || site === 'same-origin') return false;
  return headers['sec-fetch-mode'] !== 'navigate' || headers['sec-fetch-dest'] !== 'document';
}

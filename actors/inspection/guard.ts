import { isIP } from 'node:net';
import { json, type HttpRequest, type HttpResponse, type Route } from '../http/route.js';

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
  /** Names this server may be called by, beside literal addresses and localhost. */
  readonly hosts: readonly string[];
}

/**
 * Guards routes against web pages from elsewhere in the reader's browser. A page whose name was made to resolve to
 * this server (DNS rebinding) is told by its name in `Host`; any other by what browsers say of the origin of requests.
 */
export function guarded(routes: readonly Route[], { hosts }: GuardOptions): Route[] {
  const names = new Set(['localhost', ...hosts.map((name) => name.toLowerCase())]);
  return routes.map((route) => ({
    ...route,
    handle: async (request) => {
      const response = refusal(request, names) ?? (await route.handle(request));
      return { ...response, headers: { ...HEADERS, ...response.headers } };
    },
  }));
}

function refusal({ headers }: HttpRequest, names: ReadonlySet<string>): HttpResponse | undefined {
  const host = headers.host ?? '';
  const name = hostOf(host);
  if (isIP(name) === 0 && !names.has(name))
    return json(421, {
      error:
        `This server is not known as '${name}': ask for it by an address or as localhost, or add the name to ` +
        'ROX_COLLECTOR_INSPECT_HOSTS.',
    });
  if (isCrossSite(headers, host))
    return json(403, { error: 'Other sites may link here, but not read what is here.' });
  return undefined;
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

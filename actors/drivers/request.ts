import { request as sendRequest, type IncomingMessage } from 'node:http';
import { unescape } from 'node:querystring';
import { answerProblem, connectTo, type Peer } from './connection.js';
import { DriverProblem } from './problem.js';
import { LARGEST_OBJECT } from './unpack.js';

/** How long to wait, ms. */
export interface Patience {
  /** For a connection, TLS included. */
  readonly connect: number;
  /** For a silent server. */
  readonly stall: number;
}

const MOST_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Requests an address over HTTP/1.1, and follows redirects.
 * @param home the server to ask for everything at the origin of `start`, if it differs from the address; no other
 *   server gets its certificate, or the user and password in `start`
 * @returns the answer 200 with its body still to be read; reading fails with a DriverProblem when it stalls
 * @throws DriverProblem; an AbortError
 */
export async function get(
  start: URL,
  home: Peer | undefined,
  patience: Patience,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let url = start;
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const isHome = url.origin === start.origin;
    try {
      const peer = isHome && home !== undefined ? home : peerOf(url);
      const response = await requestOnce(
        url,
        peer,
        isHome ? credentials(start) : undefined,
        patience,
        signal,
      );
      const next = redirection(response, url);
      if (next === undefined) return accepted(response);
      response.destroy();
      url = next;
    } catch (error) {
      if (isHome || !(error instanceof DriverProblem)) throw error;
      throw new DriverProblem('redirect', `redirected to ${withoutSecrets(url)}: ${error.message}`, {
        cause: error,
      });
    }
  }
  throw new DriverProblem(
    'redirect',
    `more than ${MOST_REDIRECTS} redirects, the last to ${withoutSecrets(url)}`,
  );
}

/** An address fit for a log: user, password and query can be secret. */
export function withoutSecrets(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

async function requestOnce(
  url: URL,
  peer: Peer,
  auth: string | undefined,
  { connect, stall }: Patience,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const socket = await connectTo(peer, connect, signal);
  return new Promise((resolve, reject) => {
    const request = sendRequest({
      createConnection: () => socket,
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host },
      ...(auth !== undefined && { auth }),
      signal,
    });
    let answer: IncomingMessage | undefined;
    socket.setTimeout(stall, () => {
      (answer ?? request).destroy(new DriverProblem('timeout', `it sent nothing for ${stall / 1000} s`));
    });
    request.on('response', (response) => {
      answer = response;
      resolve(response);
    });
    // Without a listener, Node tells nobody of an answer that changes the protocol.
    request.on('upgrade', (response) => {
      resolve(response);
      socket.destroy();
    });
    request.on('error', (error) => reject(signal.aborted ? error : answerProblem(error, peer)));
    request.end();
  });
}

function peerOf({ protocol, hostname, port }: URL): Peer {
  const host = hostname.replace(/^\[|\]$/g, '');
  return protocol === 'https:'
    ? { host, port: Number(port || 443), tls: { serverName: host } }
    : { host, port: Number(port || 80) };
}

/** `user:password`, if the address has them. */
function credentials({ username, password }: URL): string | undefined {
  return username === '' ? undefined : `${unescape(username)}:${unescape(password)}`;
}

/**
 * The target of a redirect; undefined for any other answer.
 * @throws DriverProblem if we won't go there
 */
function redirection(response: IncomingMessage, from: URL): URL | undefined {
  const { location } = response.headers;
  if (!REDIRECTS.has(response.statusCode ?? 0) || location === undefined) return undefined;
  const to = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')) return to;
  response.destroy();
  const where = to === undefined ? 'no address' : withoutSecrets(to);
  throw new DriverProblem('redirect', `it redirects to ${where}, which is not followed`);
}

/** @throws DriverProblem unless it is 200 with a body of acceptable length */
function accepted(response: IncomingMessage): IncomingMessage {
  const { statusCode = 0, headers } = response;
  const length = Number(headers['content-length'] ?? 0);
  if (statusCode === 200 && length <= LARGEST_OBJECT) return response;
  response.destroy();
  if (statusCode === 200) throw new DriverProblem('corrupt', `packed, it has ${length} bytes, over 64 MiB`);
  throw new DriverProblem(
    statusCode === 404 || statusCode === 410 ? 'missing' : 'answer',
    `HTTP ${statusCode}`,
  );
}

import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { isIPv6, type AddressInfo, type Socket } from 'node:net';
import { splitHostPort } from '../settings/host-port.js';
import { Failure } from '../telemetry/failures.js';

/** How long the head of a request, and all of it, may take to come, and how often that is looked after, ms. */
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
const CHECK_MS = 2500;
/** How long a connection may be silent between requests, and within one, ms. */
const KEEP_ALIVE_MS = 5000;
const SILENCE_MS = 30_000;
/** Connections at a time; beyond them, the oldest goes. */
const MOST_CONNECTIONS = 1024;
const MOST_HEADER_BYTES = 8192;

/** What a client that makes no sense is told, by Node's code of its error; else that it is a bad request. */
const REFUSALS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** A server that listens, until it is closed. */
export interface HttpServer {
  /** host:port, as it came to be. */
  readonly address: string;
  readonly close: () => void;
}

/**
 * Listens, and cuts off who is slow: a request has 10 s to come. When there are too many connections the oldest one makes
 * room, so that clients that only hold connections keep nobody out.
 * @param setting name of the setting that the address is of, for the failure
 * @throws Failure ADDRESS_UNUSABLE
 */
export async function openServer(
  listener: RequestListener,
  address: string,
  setting: string,
): Promise<HttpServer> {
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MOST_HEADER_BYTES,
    },
    listener,
  );
  server.setTimeout(SILENCE_MS);
  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException, socket) => {
    const status = REFUSALS[code] ?? '400 Bad Request';
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else socket.destroy();
  });
  limitConnections(server);
  const { host, port } = splitHostPort(address);
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new Failure('ADDRESS_UNUSABLE', { address, setting, reason: code }, { cause: error });
  }
  // Such as too many open files: connections are not taken for a while, which is no reason to end.
  server.on('error', () => undefined);
  const bound = server.address() as AddressInfo;
  return {
    address: `${isIPv6(bound.address) ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function limitConnections(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    if (open.size >= MOST_CONNECTIONS) open.values().next().value?.destroy();
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
}

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { splitHostPort } from '../settings/host-port.js';
import { Failure } from '../telemetry/failures.js';
import { ConnectionLimit } from './connection-limit.js';

/** Time for the head of a request, and for all of it, to come, and the interval of checks, ms. */
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
const CHECK_MS = 2500;
/** How long a connection may be silent between requests, and within one, ms. */
const KEEP_ALIVE_MS = 5000;
const SILENCE_MS = 30_000;
const MOST_HEADER_BYTES = 8192;

/** Statuses for malformed requests by Node's error code; any other is a bad request. */
const REFUSALS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** A server listening until it is closed. */
export interface HttpServer {
  /** The actual host:port. */
  readonly address: string;
  readonly close: () => void;
}

/**
 * Listens, and cuts off slow clients: a request has 10 s to come.
 * @param setting name of the setting with the address, for the failure
 * @param limit of connections, shared by all servers
 * @param onError a connection could not be taken, for want of descriptors for example
 * @throws Failure ADDRESS_UNUSABLE
 */
export async function openServer(
  listener: RequestListener,
  address: string,
  setting: string,
  limit = new ConnectionLimit(),
  onError: (error: unknown) => void = () => undefined,
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
  limit.watch(server);
  const { host, port } = splitHostPort(address);
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new Failure('ADDRESS_UNUSABLE', { address, setting, reason: code }, { cause: error });
  }
  server.on('error', onError);
  const bound = server.address() as AddressInfo;
  return {
    address: `${isIPv6(bound.address) ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

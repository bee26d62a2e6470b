import { once } from 'node:events';
import { lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import type { HttpServer } from './server.js';

/** Connections at a time: of the users of one command. */
const MOST_CONNECTIONS = 32;
/** Longest path of a Unix socket, bytes. */
const LONGEST_PATH = 107;
/** How long another daemon has to take a connection, ms. */
const PATIENCE_MS = 1000;
/** Mask for the mode 0600. */
const OWNER_ONLY = 0o177;

/** Why the socket cannot be opened, for the log. */
export class SocketProblem extends Error {}

/**
 * Serves HTTP on a Unix socket for its owner alone. The socket of a dead daemon is replaced, a living one's is not.
 * @param onError a connection could not be taken
 * @throws SocketProblem
 */
export async function openSocket(
  listener: RequestListener,
  file: string,
  onError: (error: unknown) => void,
): Promise<HttpServer> {
  if (Buffer.byteLength(file) > LONGEST_PATH)
    throw new SocketProblem(`its path is longer than ${LONGEST_PATH} bytes`);
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    await removeStale(file);
    return await listen(listener, file, onError);
  } catch (error) {
    if (error instanceof SocketProblem) throw error;
    throw new SocketProblem((error as NodeJS.ErrnoException).code ?? String(error), { cause: error });
  }
}

async function listen(
  listener: RequestListener,
  file: string,
  onError: (error: unknown) => void,
): Promise<HttpServer> {
  const server = createServer(
    { keepAliveTimeout: 5000, headersTimeout: 5000, requestTimeout: 10_000, maxHeaderSize: 8192 },
    listener,
  );
  server.setTimeout(30_000);
  server.maxConnections = MOST_CONNECTIONS;
  server.on('clientError', (_error, socket) => socket.destroy());
  // A mode set afterwards would leave it open for a moment.
  const mask = process.umask(OWNER_ONLY);
  try {
    server.listen({ path: file });
  } finally {
    process.umask(mask);
  }
  await once(server, 'listening');
  server.on('error', onError);
  return {
    address: file,
    close: () => {
      server.close(); // removes the file
      server.closeAllConnections();
    },
  };
}

/** Removes the socket of a dead daemon. @throws SocketProblem if somebody listens there, or it is no socket */
async function removeStale(file: string): Promise<void> {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new SocketProblem('what is there is no socket');
  if (await isServed(file)) throw new SocketProblem('another Collector listens there');
  unlinkSync(file);
}

async function isServed(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path: file });
    const answer = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    // Whoever does not answer in time lives: a dead daemon's socket refuses at once.
    socket.setTimeout(PATIENCE_MS, () => answer(true));
    socket.once('connect', () => answer(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      answer(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    );
  });
}

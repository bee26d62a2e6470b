import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

const PREFIX = '/kernel-objects/';

/**
 * Answers `GET /kernel-objects/<version>/<file>` with the file from the folder: 403 for paths leading out of it, 404
 * for absent files.
 * @param folder undefined: there is none, and so nothing in it
 */
export function kernelObjects(folder: string | undefined): RequestListener {
  return (request, response) => {
    serveObject(folder, request, response).catch(() => response.destroy());
  };
}

async function serveObject(
  folder: string | undefined,
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const file = method === 'GET' ? await locateObject(folder, namesIn(url)) : 405;
  if (typeof file === 'number') {
    response.writeHead(file).end();
    return;
  }
  const { size } = await stat(file);
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size });
  await pipeline(createReadStream(file), response);
}

/** The real path of the file, or the HTTP status without one. */
async function locateObject(
  folder: string | undefined,
  names: readonly string[] | undefined,
): Promise<string | number> {
  if (folder === undefined || names === undefined) return 404;
  if (names.some((name) => name === '..' || /[/\0]/.test(name))) return 403;
  if (names.length !== 2) return 404;
  const file = await existingFile(path.join(folder, ...names));
  if (file === undefined) return 404;
  // A symbolic link can lead elsewhere, too.
  return file.startsWith(`${await realpath(folder)}${path.sep}`) ? file : 403;
}

/** The names behind the prefix, between slashes; undefined without the prefix. */
function namesIn(url: string): string[] | undefined {
  try {
    const [location = ''] = url.split('?');
    if (!location.startsWith(PREFIX)) return undefined;
    return location.slice(PREFIX.length).split('/').map(decodeURIComponent);
  } catch {
    return undefined; // a % without an escape
  }
}

/** The real path of a regular file; undefined for anything else. */
async function existingFile(file: string): Promise<string | undefined> {
  try {
    const real = await realpath(file);
    return (await stat(real)).isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}

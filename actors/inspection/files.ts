import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { json, type HttpResponse, type Route } from '../http/route.js';

const compress = promisify(gzip);

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};
const INDEX = 'index.html';

/** Serves the files of a folder below /inspect: those there at the start, compressed once and kept. */
export function fileRoutes(folder: string): Route[] {
  const names = new Set(namesIn(folder));
  const compressed = new Map<string, Promise<Buffer>>();
  const compressedFile = async (name: string): Promise<Buffer> => {
    let bytes = compressed.get(name);
    if (bytes === undefined) {
      bytes = readFile(path.join(folder, name)).then(async (plain) => compress(plain));
      bytes.catch(() => compressed.delete(name));
      compressed.set(name, bytes);
    }
    return bytes;
  };
  const file = async (name: string, encodings: string): Promise<HttpResponse> => {
    const type = TYPES[path.extname(name)];
    if (type === undefined || !names.has(name))
      return json(404, { error: `The page has no file '${name}'.` });
    if (!/\bgzip\b/.test(encodings))
      return { status: 200, type, body: await readFile(path.join(folder, name)) };
    const headers = { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' };
    return { status: 200, type, headers, body: await compressedFile(name) };
  };
  return [
    {
      // Names in the page are relative to it.
      method: 'GET',
      path: '/inspect',
      handle: ({ query }) => {
        const search = query.size > 0 ? `?${query.toString()}` : '';
        return { status: 302, headers: { Location: `inspect/${search}` }, body: '' };
      },
    },
    {
      method: 'GET',
      path: '/inspect/*',
      handle: async ({ rest, headers }) => file(rest === '' ? INDEX : rest, headers['accept-encoding'] ?? ''),
    },
  ];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

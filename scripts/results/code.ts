import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { transformSync } from 'esbuild';
import { withoutComments } from '../comments.js';

const reduceC = (text: string): string => withoutComments(text).replace(/\s+/g, ' ').trim();

/** Sources: by their ending, how to drop comments and layout; no measurement depends on them. */
const reducers: Readonly<Record<string, (text: string) => string>> = {
  '.ts': (text) => transformSync(text, { loader: 'ts', minifyWhitespace: true, legalComments: 'none' }).code,
  '.c': reduceC,
  '.cc': reduceC,
  '.h': reduceC,
  '.proto': reduceC,
};

/**
 * Hashes code below a file or folder, comments and layout aside; names of files have no part in it.
 * @param target relative to `root`
 * @returns 16 hexadecimal digits
 * @throws Error if there is no source
 */
export function codeHash(root: string, target: string): string {
  const files = sources(path.join(root, target));
  if (files.length === 0) throw new Error(`There is no source in '${target}'.`);
  const hash = createHash('sha256');
  for (const file of files)
    hash.update(reducers[path.extname(file)]!(readFileSync(file, 'utf8'))).update('\0');
  return hash.digest('hex').slice(0, 16);
}

function sources(target: string): string[] {
  const files = statSync(target).isDirectory()
    ? readdirSync(target, { recursive: true, encoding: 'utf8' }).map((name) => path.join(target, name))
    : [target];
  return files.filter((file) => path.extname(file) in reducers && statSync(file).isFile()).sort();
}

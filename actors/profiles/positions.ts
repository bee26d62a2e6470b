import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LEAST_UPPER_BOUND, originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';

/** A place in source code. */
export interface Position {
  /** From the root of the project; the address of the code if it has no source map. */
  readonly file: string;
  /** From 1; 0: not known. */
  readonly line: number;
}

/** Finds positions in source through the maps beside generated code. Reads each map once. */
export class Positions {
  readonly #maps = new Map<string, TraceMap | undefined>();

  /**
   * @param url of the generated code; modules without a file (node:fs) have no map, and native code has no URL
   * @param line from 1
   * @param column from 0; undefined: of the first thing on the line
   */
  find(url: string, line: number, column?: number): Position {
    if (!this.#maps.has(url)) this.#maps.set(url, mapOf(url));
    const map = this.#maps.get(url);
    if (url === '' || line < 1) return { file: url, line: 0 };
    if (map === undefined) return { file: url, line };
    const found = originalPositionFor(
      map,
      column === undefined ? { line, column: 0, bias: LEAST_UPPER_BOUND } : { line, column },
    );
    if (found.source === null) return { file: url, line };
    return { file: found.source.replace(/^(\.\.?\/)+/, ''), line: found.line };
  }
}

function mapOf(url: string): TraceMap | undefined {
  if (!url.startsWith('file:')) return undefined;
  let text: string;
  try {
    text = readFileSync(`${fileURLToPath(url)}.map`, 'utf8');
  } catch {
    return undefined; // A profile with positions in generated code is better than none.
  }
  return new TraceMap(text);
}

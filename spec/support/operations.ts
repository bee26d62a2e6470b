import { readFileSync } from 'node:fs';
import path from 'node:path';

const FILE = path.resolve(import.meta.dirname, '../../docs/operations.md');

/** A section of docs/operations.md, up to the next heading of any level. */
export interface Section {
  readonly heading: string;
  readonly text: string;
  /** What its console blocks have behind `$ ` or `# `; one that goes on in the next line is one. */
  readonly commands: readonly string[];
  /** The lines of its other blocks, cut ones too. */
  readonly printed: readonly string[];
}

/** All sections of docs/operations.md, in their order. */
export const sections: readonly Section[] = readFileSync(FILE, 'utf8')
  .split(/^#{2,4} /m)
  .slice(1)
  .map((part) => {
    const blocks = [...part.matchAll(/^```(\w+)\n([^]*?)^```$/gm)];
    const of = (isConsole: boolean) =>
      blocks.filter(([, kind]) => (kind === 'console') === isConsole).map(([, , lines]) => lines!);
    return {
      heading: part.slice(0, part.indexOf('\n')),
      text: part,
      commands: of(true).flatMap((lines) =>
        [...lines.matchAll(/^[$#] ((?:.*\\\n)*.*)$/gm)].map(([, command]) => command!),
      ),
      printed: of(false).flatMap((lines) => lines.trimEnd().split('\n')),
    };
  });

/** @throws Error if there is none */
export function section(heading: string): Section {
  const found = sections.find((one) => one.heading === heading);
  if (found === undefined) throw new Error(`docs/operations.md has no section '${heading}'.`);
  return found;
}

/** Numbers, times, addresses, versions and paths; and what is cut. */
const VARIES = /([\w./:-]*\d[\w./:-]*|(?<= )\/[\w./:-]+|…)/;

/**
 * The lines of a section's that a run did not write, for whatever numbers, times, addresses and paths; `…` stands for
 * anything.
 * @param output what the run wrote
 */
export function notWritten({ printed }: Section, output: string): string[] {
  const lines = output.split('\n').map((line) => line.trimEnd());
  return printed.filter((line) => {
    const parts = line.trimEnd().split(VARIES);
    const pattern = parts.map((part, index) => {
      if (part === '…') return '.*';
      return index % 2 === 1 ? '[\\w./:-]+' : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    });
    const like = new RegExp(`^${pattern.join('')}$`);
    return !lines.some((written) => like.test(written));
  });
}

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = path.join(import.meta.dirname, '../containers/fixtures');

/** A process as `/proc/<pid>/cgroup` shows it. */
export interface CgroupCase {
  /** Runtime and cgroup driver, then what the process is. */
  readonly title: string;
  /** 12 digits, or undefined for the host. */
  readonly expected: string | undefined;
  /** All that the file has. */
  readonly text: string;
}

/** One of its lines. */
export interface CgroupLine {
  /** None for cgroup v2; `name=…` for a hierarchy without a controller. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/**
 * The corpus: a file for each runtime and cgroup driver. A paragraph of it is a process: the id that it has to have, or
 * `host`, and what it is; then the lines of its file in procfs. The paths have the forms that the runtimes give them,
 * and ids of nobody's.
 */
export const cgroupCases: readonly CgroupCase[] = readdirSync(FOLDER).flatMap((file) =>
  readFileSync(path.join(FOLDER, file), 'utf8')
    .trim()
    .split('\n\n')
    .slice(1) // where the file's processes come from
    .map((paragraph) => {
      const [, expected = '', what = '', text = ''] = /^(\S+) (.*)\n([^]*)$/.exec(paragraph) ?? [];
      if (!/^([\da-f]{12}|host)$/.test(expected))
        throw new Error(`${file}: neither an id nor host: '${expected}'`);
      return {
        title: `${path.basename(file, '.txt')}: ${what}`,
        expected: expected === 'host' ? undefined : expected,
        text: `${text}\n`,
      };
    }),
);

/** The lines of a `/proc/<pid>/cgroup`. */
export function cgroupLines(text: string): CgroupLine[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, controllers = '', folder = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return { controllers: controllers === '' ? [] : controllers.split(','), path: folder };
    });
}

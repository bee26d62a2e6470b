/**
 * Puts the saved results of benchmarks (docs/results) into their pages: `npx tsx scripts/results.ts`. With `--check`,
 * as in `npm run lint`, it writes nothing, and fails if a page is old, or a result is older than the code measured.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { BadUsage, command } from './command.js';
import { fillPage, placesOf } from './results/pages.js';
import { renderers } from './results/renderers.js';
import { changedSince, root, savedResult } from './results/result.js';

const PAGES = ['README.md', 'docs/performance.md', 'docs/reliability.md'].filter((page) =>
  existsSync(path.join(root, page)),
);

await command(async (words) => {
  const strange = words.find((word) => word !== '--check');
  if (strange !== undefined) throw new BadUsage(`Bad argument '${strange}' (allowed: --check)`);
  const isCheck = words.includes('--check');
  const faults: string[] = [];
  for (const page of PAGES) {
    const file = path.join(root, page);
    const old = readFileSync(file, 'utf8');
    const filled = fillPage(old, renderers, savedResult);
    const text = await format(filled, { ...(await resolveConfig(file)), filepath: file });
    if (!isCheck) writeFileSync(file, text);
    else if (text !== old) faults.push(`${page} does not show the saved results: npx tsx scripts/results.ts`);
    for (const name of placesOf(old).flatMap((place) => renderers[place]!.of)) {
      const result = savedResult(name)!;
      for (const target of changedSince(result))
        faults.push(
          `${page} has figures of ${target} as of ${result.commit}, and it has changed since: ${result.command}`,
        );
    }
  }
  for (const fault of faults) console.error(fault);
  return faults.length === 0;
});

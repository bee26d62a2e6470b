/**
 * Compares the messages of recorded runs with those of another commit:
 *
 *     npx tsx scripts/diff-replay.ts <base> [recording…]
 *
 * Builds the base, a branch, tag or commit, and this working tree, with the packages installed here unless the base
 * locks others. Replays recordings through both, by their names in spec/corpus or their paths, all of spec/corpus
 * without any. Prints a table of the messages, and exits with 0 if all are equal, 1 if not, 2 for bad arguments.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { buildCheckout, checkOut, commitOf, removeCheckout, root, runNode } from './checkout.js';
import { BadUsage, command } from './command.js';
import { compare, type Comparison, type Output } from './replay/difference.js';
import { isEqual, table } from './replay/table.js';

const corpus = path.join(root, 'spec/corpus');
const EXTENSION = '.collector';
const stop = new AbortController();

await command(async ([ref, ...recordings]) => {
  if (ref === undefined)
    throw new BadUsage('A base is missing (allowed: a branch, tag or commit of this repository)');
  const base = commitOf(ref);
  const files = filesOf(recordings);
  process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));
  const tree = checkOut(base);
  try {
    for (const checkout of [tree, root]) await buildCheckout(checkout, stop.signal);
    const comparisons = new Map<string, Comparison>();
    for (const [name, file] of files)
      comparisons.set(name, compare(await replay(tree, file), await replay(root, file)));
    console.log(table(comparisons));
    return [...comparisons.values()].every(isEqual);
  } finally {
    removeCheckout(tree);
  }
});

/** Files of recordings, by the words that name them. */
function filesOf(words: readonly string[]): Map<string, string> {
  const names = readdirSync(corpus)
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => path.basename(file, EXTENSION));
  const file = (word: string): string => {
    if (names.includes(word)) return path.join(corpus, word + EXTENSION);
    if (existsSync(word) && statSync(word).isFile()) return path.resolve(word);
    throw new BadUsage(`Bad recording '${word}' (allowed: ${names.join(', ')}, or the path of a recording)`);
  };
  return new Map((words.length > 0 ? words : names).map((word) => [word, file(word)]));
}

async function replay(checkout: string, file: string): Promise<Output> {
  const print = (format: keyof Output) =>
    runNode(checkout, stop.signal, 'dist/collector.js', `--replay=${file}`, `--format=${format}`);
  return { json: await print('json'), compact: await print('compact') };
}

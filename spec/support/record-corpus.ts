/**
 * Records spec/corpus anew, all of it or by name, as root, where no other containers run, after `npm run build`:
 *
 *     npx tsx spec/support/record-corpus.ts [name…]
 *
 * Keeps a recording only if its scenario finds its subject in it, and two replays print the same.
 */
import { chmodSync, copyFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BadUsage, command } from '../../scripts/command.js';
import { runToEnd } from './collector.js';
import { contentOf } from './content.js';
import { FORMATS, expectedOutput, recording, type Format } from './corpus.js';
import { perform, scenarios } from './scenarios.js';
import { scratchFolder } from './workload.js';

const MOST_BYTES = 150_000;
const MOST_OUTPUT = 300_000;

await command(async (names) => {
  const known = Object.keys(scenarios);
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined) throw new BadUsage(`Bad argument '${strange}' (allowed: ${known.join(', ')})`);
  for (const name of names.length > 0 ? names : known) await record(name);
  return true;
});

async function record(name: string): Promise<void> {
  const file = path.join(scratchFolder(), name);
  const { containers } = await perform(name, `--record=${file}`);
  const output = { json: await replay(file, 'json'), compact: await replay(file, 'compact') };
  const content = contentOf(file, output);
  const others = content.strangers(containers);
  if (others.length > 0)
    throw new Error(`${name} has the containers ${others.join(', ')}: others run on this machine.`);
  scenarios[name]!.check(content);
  const sizes = [statSync(file).size, ...FORMATS.map((format) => output[format].length)];
  process.stdout.write(`${name}: ${sizes.join(', ')} bytes\n`);
  if (sizes[0]! > MOST_BYTES || Math.max(...sizes.slice(1)) > MOST_OUTPUT)
    throw new Error(`${name} is too large for the repository.`);
  copyFileSync(file, recording(name));
  chmodSync(recording(name), 0o644);
  for (const format of FORMATS) writeFileSync(expectedOutput(format, name), output[format]);
}

/** Replays twice. @throws Error if the two print different output */
async function replay(file: string, format: Format): Promise<string> {
  const [first, second] = [
    await runToEnd([`--replay=${file}`, `--format=${format}`]),
    await runToEnd([`--replay=${file}`, `--format=${format}`]),
  ];
  if (first.code !== 0) throw new Error(first.stderr);
  if (first.stdout !== second.stdout) throw new Error(`${file} replays to different output as ${format}.`);
  return first.stdout;
}

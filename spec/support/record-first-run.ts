/**
 * Records spec/corpus anew, as root, where no other containers run, after `npm run build`:
 *
 *     npx tsx spec/support/record-first-run.ts
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { runToEnd } from './collector.js';
import { FORMATS, RECORDING, expectedOutput } from './corpus.js';
import { firstRun } from './first-run.js';

/** Its own two, and the one by which Collector.start waits. */
const CONTAINERS = 3;

const printed = await firstRun(`--record=${RECORDING}`);
const containers = new Set(printed.match(/"containerId":"\w+"/g));
if (containers.size !== CONTAINERS) {
  throw new Error(`The recording has ${containers.size} containers: others run on this machine.`);
}
chmodSync(RECORDING, 0o644);
for (const format of FORMATS) {
  const { code, stdout, stderr } = await runToEnd([`--replay=${RECORDING}`, `--format=${format}`]);
  if (code !== 0) throw new Error(stderr);
  writeFileSync(expectedOutput(format), stdout);
}

/**
 * Draws the charts of the machines in docs/images: `npx tsx scripts/charts.ts`. With `--check`, as in `npm run lint`,
 * it writes nothing and fails if a picture is not the one of its machine.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { layOutCharts } from './charts/layout.js';
import { picture } from './charts/picture.js';

const root = path.dirname(import.meta.dirname);

interface Picture {
  readonly file: string;
  readonly title: string;
  readonly description: string;
}

/** By the machine's id. */
const PICTURES: Readonly<Record<string, Picture>> = {
  collector: {
    file: 'docs/images/lifecycle.svg',
    title: 'The start-up of Collector',
    description:
      'Starting goes through connect-sensor, find-driver, download and load; then Collector collects. ' +
      'A phase that fails leads to failed; stop leads to stopped.',
  },
  collecting: {
    file: 'docs/images/collecting.svg',
    title: 'A running Collector',
    description:
      'Preparing leads to collecting, which runs and, when stopped, drains; then closing leads to ended.',
  },
  stream: {
    file: 'docs/images/stream.svg',
    title: 'A stream to Sensor or to a container runtime',
    description:
      'A live stream is connecting, then open. Broken, it backs off and is live again after a wait; stop ends it.',
  },
};

const check = process.argv.includes('--check');
for (const [id, chart] of Object.entries(await layOutCharts())) {
  const { file, title, description } = PICTURES[id]!;
  const target = path.join(root, file);
  const text = picture(chart, title, description);
  if (!check) {
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  } else if (!existsSync(target) || readFileSync(target, 'utf8') !== text) {
    console.error(`${file} is not the chart of its machine any more: run npx tsx scripts/charts.ts.`);
    process.exitCode = 1;
  }
}

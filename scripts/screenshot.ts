/**
 * Takes the screenshot in README, docs/images/inspect.png: `npx tsx scripts/screenshot.ts`, after `npm run build`, with
 * Debian's chromium-headless-shell. The page shows a recording, so that everybody's screenshot is of the same run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { BadUsage, command } from './command.js';

const CHROMIUM = '/usr/bin/chromium-headless-shell';
const root = path.dirname(import.meta.dirname);
const RECORDING = path.join(root, 'spec/corpus/web-load.collector');
/** Samples for the rates. */
const WATCHED_MS = 4000;

await command(async (words) => {
  if (words.length > 0) throw new BadUsage(`Bad argument '${words.join(' ')}' (allowed: none)`);
  const args = [path.join(root, 'dist/collector.js'), `--replay=${RECORDING}`, '--inspect=127.0.0.1:0'];
  const player = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(player, 'exit');
  try {
    await take(await addressOf(createInterface(player.stderr)));
  } finally {
    player.kill();
    await ended;
  }
  return true;
});

/** The address of the page, as the log names it. */
async function addressOf(log: AsyncIterable<string>): Promise<string> {
  for await (const line of log) {
    const [, address] = /Watch it at (\S+)/.exec(line) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error('Collector ended before it served the page.');
}

async function take(address: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(`${address}#road`);
    await page.waitForTimeout(WATCHED_MS);
    await page.screenshot({ path: path.join(root, 'docs/images/inspect.png') });
  } finally {
    await browser.close();
  }
}

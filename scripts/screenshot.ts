/**
 * Takes the screenshot in README, docs/images/inspect.png: `npx tsx scripts/screenshot.ts`, as root, after `npm run
 * build`, with Debian's chromium-headless-shell. The page shows a Collector that watches this machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { BadUsage, command } from './command.js';

const CHROMIUM = '/usr/bin/chromium-headless-shell';
const root = path.dirname(import.meta.dirname);
/** Until a Collector is sure to collect. */
const WATCHED_MS = 6000;

await command(async (words) => {
  if (words.length > 0) throw new BadUsage(`Bad argument '${words.join(' ')}' (allowed: none)`);
  const collector = spawn(process.execPath, [path.join(root, 'dist/collector.js'), '--scope=all'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      ROX_COLLECTOR_INTROSPECTION_ENABLE: 'loopback',
      ROX_COLLECTOR_HTTP_ADDRESS: '127.0.0.1:0',
      ROX_COLLECTOR_METRICS_ADDRESS: '127.0.0.1:0',
    },
  });
  const ended = once(collector, 'exit');
  try {
    await take(await addressOf(createInterface(collector.stderr)));
  } finally {
    collector.kill();
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
    await page.goto(`${address}#charts`);
    await page.waitForTimeout(WATCHED_MS);
    await page.screenshot({ path: path.join(root, 'docs/images/inspect.png') });
  } finally {
    await browser.close();
  }
}

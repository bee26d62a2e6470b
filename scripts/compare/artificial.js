/**
 * Makes a Collector worse, to see whether `npm run compare` tells: a preload of Node, in no way part of the product.
 *
 *     NODE_OPTIONS='--import=file:///…/artificial.js?cpu=5&memory=15'
 *
 * `cpu`: percent of a core burnt. `memory`: MiB held.
 */
import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { setInterval } from 'node:timers';
import { URL } from 'node:url';
import { isMainThread } from 'node:worker_threads';

const INTERVAL_MS = 20;
/** At once, so that the event loop is not held. */
const MOST_US = 5000;
const MEBIBYTE = 2 ** 20;

const { searchParams } = new URL(import.meta.url);
const share = Number(searchParams.get('cpu')) / 100;
const memory = Number(searchParams.get('memory')) * MEBIBYTE;

if (isMainThread) {
  let previous = performance.now();
  // Written, since pages only asked for are not resident.
  const held = Buffer.alloc(memory, 1);
  const timer = setInterval(() => {
    const now = performance.now();
    burn(Math.min(MOST_US, (now - previous) * 1000 * share));
    previous = now;
    // Keeps it from being collected.
    held[0] = 1;
  }, INTERVAL_MS);
  timer.unref();
}

/** Takes processor time, by the kernel's account: by the clock, a busy machine would give less. */
function burn(microseconds) {
  const used = () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  };
  const end = used() + microseconds;
  while (used() < end);
}

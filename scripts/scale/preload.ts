import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** What a Collector is started with, from outside: nothing in it knows. */
export interface Preload {
  /** Possible CPUs it takes the kernel to have, and makes rings for; default: as many as there are. */
  readonly cpus?: number;
  /** File with the longest hold of its loop, ns, between two SIGUSR2; default: none. */
  readonly holds?: string;
}

/** Writes a module to be imported before a Collector. @returns the environment for it */
export function preload(folder: string, addon: string, { cpus, holds }: Preload): Record<string, string> {
  const file = path.join(folder, `preload-${cpus ?? 'own'}.mjs`);
  writeFileSync(
    file,
    [cpus && simulatedCpus(addon, cpus), holds && watchedLoop(holds)].filter(Boolean).join('\n'),
  );
  return { NODE_OPTIONS: `--import=${file}` };
}

/** The add-on is loaded once: whoever asks next gets it with the other number. */
function simulatedCpus(addon: string, cpus: number): string {
  return `
import { createRequire } from 'node:module';
createRequire(import.meta.url)(${JSON.stringify(addon)}).possibleCpus = ${cpus};`;
}

/** A timer of 1 ms is late by as long as the loop is held. It runs between two signals only, since it costs. */
function watchedLoop(file: string): string {
  return `
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
let delay;
process.on('SIGUSR2', () => {
  if (delay === undefined) {
    delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
  } else {
    delay.disable();
    writeFileSync(${JSON.stringify(file)}, String(delay.max));
    delay = undefined;
  }
});`;
}

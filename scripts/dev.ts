/**
 * Builds Collector and runs it as `npm start` does, or with the given arguments. `npm run dev` has `tsx watch` end it
 * and start it again whenever a source changes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const given = process.argv.slice(2);
const args = given.length > 0 ? given : ['--scope=all', '--format=compact'];

/** Set by a change, or by Ctrl-C. */
const ending = new AbortController();
// tsx waits 5 s: Collector ends in good order meanwhile, before the next one starts and wants the same ports.
process.on('SIGTERM', () => ending.abort());
// A terminal sends it to Collector, too.
process.on('SIGINT', () => ending.abort());

if ((await exitCode('tsx', ['scripts/build.ts'])) === 0)
  process.exitCode = await exitCode(process.execPath, ['dist/collector.js', ...args]);
else if (!ending.signal.aborted) console.error('Waiting for a change: this one does not build.');

/** Runs a program to its end, or to SIGTERM by a change. @returns its exit code; 1 if there is none */
async function exitCode(program: string, words: readonly string[]): Promise<number> {
  if (ending.signal.aborted) return 1;
  const child = spawn(program, words, {
    cwd: root,
    stdio: 'inherit',
    env: {
      ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
      ROX_COLLECTOR_INTROSPECTION_ENABLE: 'loopback',
      ...process.env,
    },
  });
  ending.signal.addEventListener('abort', () => child.kill('SIGTERM'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

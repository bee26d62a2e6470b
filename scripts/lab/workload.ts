import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const SOURCES = path.join(import.meta.dirname, '../../spec/workload');
const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror', '-static', '-pthread'];

let folder: string | undefined;
const binaries = new Map<string, string>();

/** A folder for this run of the specs, which everybody may read; gone when the run ends. */
export function scratchFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(path.join(tmpdir(), 'collector-e2e-'));
    chmodSync(made, 0o755);
    // By rm(1), since a spec makes a tree in it that is too deep for paths.
    process.once('exit', () => execFileSync('rm', ['-rf', made]));
    folder = made;
  }
  return folder;
}

/** Path of the compiled workload. Static, so that an exec of it is as cheap as an exec can be. */
export function workload(): string {
  return compiled('workload');
}

/** Path of the compiled `unheld.c`: sockets that no descriptor holds. */
export function unheld(): string {
  return compiled('unheld');
}

function compiled(name: string): string {
  let binary = binaries.get(name);
  if (binary === undefined) {
    binary = path.join(scratchFolder(), name);
    const source = path.join(SOURCES, `${name}.c`);
    execFileSync('gcc', [...FLAGS, '-o', binary, source], { stdio: ['ignore', 'inherit', 'inherit'] });
    binaries.set(name, binary);
  }
  return binary;
}

/** Runs one of its jobs on the host; what it said, once it has ended well. */
export function onHost(...job: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(workload(), job, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(said.trim());
      else reject(new Error(`workload ${job.join(' ')} ended with ${code}`));
    });
  });
}

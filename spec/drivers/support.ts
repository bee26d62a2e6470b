import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLog, type Log } from '../../actors/telemetry/log.js';

/** A log, and its lines as they come, as `LEVEL message`. */
export function recordingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line.trimEnd().replace(/^\[(\w+) +[^\]]*\] ?/, '$1 '));
  return { log: createLog({ write }), lines };
}

/** The folders that drivers are found in and put into. */
export class Workplace {
  readonly root = mkdtempSync(path.join(tmpdir(), 'collector-drivers-'));
  readonly storage = path.join(this.root, 'kernel-modules');
  readonly modules = path.join(this.root, 'module');

  constructor() {
    mkdirSync(this.storage);
    mkdirSync(this.modules);
  }

  /** Puts a file into local storage. */
  store(name: string, content: string | Buffer): void {
    writeFileSync(path.join(this.storage, name), content);
  }

  /** Puts a file where drivers are loaded from. */
  place(name: string, content: string): void {
    writeFileSync(path.join(this.modules, name), content);
  }

  /** What lies where drivers are loaded from: file names and their contents. */
  get placed(): Record<string, string> {
    const names = readdirSync(this.modules).sort();
    return Object.fromEntries(
      names.map((name) => [name, readFileSync(path.join(this.modules, name), 'latin1')]),
    );
  }

  /** The permissions of a file there. */
  mode(name: string): number {
    return statSync(path.join(this.modules, name)).mode & 0o777;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

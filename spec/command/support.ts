import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DAEMON } from '../support/collector.js';
import { removeFolder } from '../support/folder.js';
import type { Resource } from '../support/resources.js';

/** What the built command gave. */
export interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whole lines of standard output. */
  readonly lines: readonly string[];
}

/** A folder with a socket for a daemon and the commands that ask it. */
export class Desk implements Resource {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'desk-'));
  readonly socket = path.join(this.folder, 'run/collector.sock');

  /** For the daemon's environment. */
  get env(): Readonly<Record<string, string>> {
    return { ROX_COLLECTOR_SOCKET: this.socket };
  }

  /** Runs the command to its end. */
  async ask(...words: readonly string[]): Promise<Answer> {
    const child = spawn(process.execPath, [DAEMON, ...words], {
      env: { PATH: process.env['PATH'], ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr, lines: stdout.split('\n').slice(0, -1) };
  }

  remove(): void {
    removeFolder(this.folder);
  }
}

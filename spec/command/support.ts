import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DAEMON } from '../support/collector.js';
import { eventually } from '../support/eventually.js';
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

/** The command in a real terminal: tmux, of its own. */
export class Terminal implements Resource {
  readonly #socket: string;

  constructor({ folder, env }: Desk, ...words: readonly string[]) {
    this.#socket = path.join(folder, 'tmux');
    const command = [process.execPath, DAEMON, ...words].join(' ');
    const line = `${command}; echo "ended with $?"; exec sleep 60`;
    this.#tmux(
      'new-session',
      '-d',
      '-x',
      '90',
      '-y',
      '16',
      '-e',
      `ROX_COLLECTOR_SOCKET=${env['ROX_COLLECTOR_SOCKET']}`,
      line,
    );
  }

  /** Waits until the screen looks like that. */
  async shows(what: RegExp): Promise<void> {
    let screen = '';
    await eventually(
      () => what.test((screen = this.#tmux('capture-pane', '-p'))),
      () => `the terminal shows ${what}:\n${screen}`,
    );
  }

  /** Presses keys, by tmux's names of them. */
  press(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  remove(): void {
    this.#tmux('kill-server');
  }

  #tmux(...words: readonly string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, '-f', '/dev/null', ...words], { encoding: 'utf8' });
  }
}

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';

const IO = path.join(import.meta.dirname, '../../dist/io.node');

const io = `require(${JSON.stringify(IO)})`;
const listen = "process.on('SIGTERM', () => console.log('heard'));";

function run(script: string): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  return spawnSync(process.execPath, ['-e', script], { timeout: 15_000, encoding: 'utf8' });
}

describe('The end of a process that is timed from a signal on', () => {
  it('comes with exit code 0 though its event loop stands still since before the signal, and says so', () => {
    const stand = "process.kill(process.pid, 'SIGTERM'); for (;;);";
    const { status, stdout, stderr } = run(`${listen} ${io}.exitWithin(50, [15]); ${stand}`);
    assert.deepEqual([status, stdout], [0, '']);
    assert.match(stderr, /The end took too long/);
  });

  it('leaves the signal to its listeners, and is timed from its first time', () => {
    const twice =
      "process.kill(process.pid, 'SIGTERM'); setInterval(() => process.kill(process.pid, 'SIGTERM'), 100);";
    const { status, stdout, stderr } = run(`${listen} ${io}.exitWithin(550, [15]); ${twice}`);
    assert.equal(status, 0);
    assert.match(stdout, /^heard\n(heard\n)+$/);
    assert.match(stderr, /The end took too long/);
  });

  it('does not come without the signal', () => {
    const { status, stderr } = run(
      `${listen} ${io}.exitWithin(1, [15]); setTimeout(() => process.exit(3), 100);`,
    );
    assert.deepEqual([status, stderr], [3, '']);
  });

  it('is refused for a signal that nobody handles', () => {
    assert.match(
      run(`${io}.exitWithin(1, [${constants.signals.SIGUSR2}])`).stderr,
      /nobody handles signal 12/,
    );
  });
});

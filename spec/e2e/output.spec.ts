import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { RECORDING } from '../support/corpus.js';
import { isRoot, requires } from '../support/requirements.js';

const daemon = path.resolve(import.meta.dirname, '../../dist/collector.js');

/** Runs a command line of the shell in which `$DAEMON` starts the daemon. */
function shell(command: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('bash', ['-c', command], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, DAEMON: `${process.execPath} ${daemon}` },
  });
}

describe('Output', function () {
  this.timeout(30_000);
  const replay = `$DAEMON --replay=${RECORDING} --format=json`;

  for (const [what, command] of [
    ['a replay', replay],
    ['the help', '$DAEMON --help'],
  ] as const) {
    it(`of ${what} may lose its reader: no failure, and nothing to read of it`, () => {
      const { status, stdout, stderr } = shell(`set -o pipefail; ${command} | head -n 1`);
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
      assert.equal(stdout.trimEnd().split('\n').length, 1);
    });

    it(`of ${what} that cannot be written is a failure with cause and remedy`, function () {
      requires(this, existsSync('/dev/full'), 'no /dev/full');
      const { status, stderr } = shell(`${command} >/dev/full`);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^\[ERROR .*Cause: Standard output cannot be written: ENOSPC\.\n.*Remedy: Make room/,
      );
      assert.doesNotMatch(stderr, /^ +at /m);
    });
  }

  it('of a live run that cannot be written ends the run, with cause, remedy and exit code 1', function () {
    requires(this, isRoot, 'no root');
    // The heading of the columns is written at once.
    const { status, stderr } = shell('$DAEMON --format=compact >/dev/full');
    assert.equal(status, 1);
    assert.match(stderr, /Cause: Standard output cannot be written: ENOSPC/);
    assert.match(stderr, /\[FATAL .*Collector can no longer collect\.\n$/);
    assert.doesNotMatch(stderr, /successfully/);
  });
});

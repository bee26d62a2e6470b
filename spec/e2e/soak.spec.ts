import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { isRoot, requires } from '../support/requirements.js';

const SCRIPT = path.join(import.meta.dirname, '../../scripts/soak.ts');
/** Each lives for some milliseconds. */
const [EXECS, CONTAINERS] = [6000, 1500];
/** Bytes in 1,000 execs: so few of them say only that nothing is kept of each. */
const BOUND = 2 * 1024 * 1024;

describe('The daemon, while containers come and go', function () {
  this.timeout(120_000);

  before(function () {
    requires(this, isRoot, 'no root');
  });

  /** The short form of the soak; what it printed, and its exit code. */
  function soak(bound: number) {
    const args = [`--execs=${EXECS}`, `--containers=${CONTAINERS}`, `--bound=${bound}`];
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', SCRIPT, ...args], {
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  }

  it('tells every exec of each, however short it lives, and keeps no memory of them', () => {
    const { status, stdout, stderr } = soak(BOUND);
    assert.equal(status, 0, stdout + stderr);
    assert.match(
      stdout,
      new RegExp(`^told: ${EXECS} execs, ${CONTAINERS} containers with each of theirs$`, 'm'),
    );
  });

  it('fails the soak when memory grows by more than it may', () => {
    const { status, stdout } = soak(-1e9);
    assert.equal(status, 1);
    assert.match(stdout, /^Memory grows\.$/m);
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { isRoot, requires } from '../support/requirements.js';

const PROGRAM = path.resolve(import.meta.dirname, '../../dist/self-check');

describe('the program of the self-check', () => {
  /** Runs it in a network namespace of its own, after some commands there. */
  function runWith(commands: string): { status: number | null; stderr: string } {
    return spawnSync('unshare', ['--net', 'sh', '-ec', `${commands}\nexec "$0"`, PROGRAM], {
      encoding: 'utf8',
    });
  }

  it('connects to itself and ends well, without a word', () => {
    const { status, stdout, stderr } = spawnSync(PROGRAM, { encoding: 'utf8' });
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  });

  it('takes IPv6 where there is no IPv4', function () {
    requires(this, isRoot, 'making a network namespace needs root');
    const { status, stderr } = runWith('ip link set lo up\nip address del 127.0.0.1/8 dev lo');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^127\.0\.0\.1: bind: Cannot assign requested address\n$/);
  });

  it('says why it can connect neither way', function () {
    requires(this, isRoot, 'making a network namespace needs root');
    const { status, stderr } = runWith('ip link set lo down');
    assert.equal(status, 1);
    assert.match(stderr, /^127\.0\.0\.1: connect: .+\n::1: bind: .+\n$/);
  });
});

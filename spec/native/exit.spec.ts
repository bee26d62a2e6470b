import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const IO = path.join(import.meta.dirname, '../../dist/io.node');

describe('The end of a process that has been timed', () => {
  it('comes with exit code 0 though its event loop stands still, and says so', () => {
    const script = `require(${JSON.stringify(IO)}).exitWithin(50); for (;;);`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', script], { timeout: 15_000 });
    assert.equal(status, 0);
    assert.match(String(stderr), /The end took too long/);
  });
});

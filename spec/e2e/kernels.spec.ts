import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import path from 'node:path';
import { isRoot, requires } from '../support/requirements.js';

/** Downloads included: some 150 MB, once. */
const MOST_MS = 600_000;

describe('On the oldest and the newest kernel of Debian, in virtual machines', function () {
  this.timeout(MOST_MS);
  /** A line of a table for each kernel. */
  let rows: string[];

  before(async function () {
    requires(this, isRoot, 'no root');
    const isOnline = await lookup('deb.debian.org').catch(() => undefined);
    requires(this, isOnline !== undefined, "Debian's archive can't be reached");
    const { stdout, stderr } = spawnSync('npx', ['tsx', 'scripts/kernels.ts', '5.10', 'newest'], {
      cwd: path.join(import.meta.dirname, '../..'),
      encoding: 'utf8',
      timeout: MOST_MS,
    });
    process.stderr.write(stderr);
    [, , ...rows] = stdout.trim().split('\n');
    assert.equal(rows.length, 2, stdout);
  });

  for (const [which, release] of Object.entries({ oldest: /^\| 5\.10\./, newest: /^\| ([6-9]|\d\d)\./ }))
    it(`the ${which}, Collector reports the same, in as many records, and ends in order`, () => {
      const row = rows.find((line) => release.test(line)) ?? '';
      assert.match(row, /\| v2 \| \S+ \| 10 \| 9 \| 26 \| 2 \| \S+ \| as it should be \|/, rows.join('\n'));
    });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Collector } from '../support/collector.js';
import { cgroupHierarchies } from '../support/container.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

const demo = path.resolve(import.meta.dirname, '../../scripts/demo-container.sh');

describe('The container for a first look', function () {
  this.timeout(30_000);
  const keep = resources();

  it('is shown with its processes and its connection, and is gone afterwards', async function () {
    requires(this, isRoot, 'no root');
    const collector = await keep(Collector.start(['--scope=all', '--format=compact']));
    const { status, stdout, stderr } = spawnSync(demo, { encoding: 'utf8', timeout: 20_000 });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    const [, id = ''] = /^Container ([0-9a-f]{12}) /.exec(stdout) ?? [];
    const lines = () => collector.lines.filter((line) => line.includes(` ${id} `));
    for (const event of [
      / exec +bash› \S+\/ls \/etc\/os-release$/,
      / listen +node \[::\]:8080$/,
      / connect bash 127\.0\.0\.1:\d+ → 127\.0\.0\.1:8080$/,
      / accept +node .*:8080 ← /,
      / exit +ls$/,
    ]) {
      await collector.shows(
        () => `${String(event)} among ${lines().join('\n')}`,
        () => lines().some((line) => event.test(line)),
      );
    }
    for (const mount of cgroupHierarchies().values())
      assert.ok(!existsSync(path.join(mount, `collector-demo-${id}`)), `its cgroup is gone from ${mount}`);
  });
});

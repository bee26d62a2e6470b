import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { unifiedHierarchy } from '../../scripts/bench/workshop.js';
import type { Bill } from '../../scripts/overhead/report.js';
import { isRoot, requires } from '../support/requirements.js';

const SCRIPT = path.join(import.meta.dirname, '../../scripts/overhead.ts');

describe("The node's bill", function () {
  this.timeout(120_000);

  before(function () {
    requires(this, isRoot, 'no root');
  });

  const overhead = (...words: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', SCRIPT, ...words], { encoding: 'utf8' });

  it('has a figure of each agent that starts, and the reason of each that does not', () => {
    const { status, stdout, stderr, pid } = overhead(
      ...['--quick', '--rounds=1', '--only=connect,exec-least', '--places=containers', '--json'],
      ...['--peer=idle=sleep infinity & sleep 0.3; echo up; wait', '--peer-ready=up'],
      ...['--peer=broken=echo it failed; exit 1', '--peer-ready=up'],
    );
    assert.equal(status, 0, stderr);
    const { figures, skipped } = JSON.parse(stdout) as Bill;
    assert.deepEqual(
      figures.map(({ workload, agent, age, blocks }) => [workload, agent, age, blocks].join(' ')),
      ['connect', 'exec-least'].flatMap((work) =>
        ['collector young', 'collector warm', 'idle warm'].map((agent) => `${work} ${agent} 1`),
      ),
    );
    for (const { agent, bare, clock, node, own, lost } of figures) {
      for (const value of [bare.clock, bare.node, clock.ratio, node.ratio]) assert.ok(value > 0);
      assert.equal(own > 0, agent === 'collector');
      assert.equal(lost, 0);
    }
    assert.deepEqual(skipped, [{ name: 'broken', why: 'broken ended before it was ready: it failed' }]);
    assert.ok(!readdirSync(unifiedHierarchy()).includes(`collector-overhead-${pid}`), 'its cgroups are gone');
  });

  it('refuses a wrong argument before anything is made', () => {
    const { status, stderr } = overhead('--rounds=none');
    assert.equal(status, 2);
    assert.match(stderr, /^Bad value 'none' for argument --rounds/);
  });
});

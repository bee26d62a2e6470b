import assert from 'node:assert/strict';
import { markdown, type Report } from '../../../scripts/compare/report.js';
import { compareRuns } from '../../../scripts/compare/verdict.js';
import { around, runOf } from './runs.js';

const base = runOf(around(3), around(70));

function report(own = base, more: Partial<Report> = {}): string {
  return markdown({
    label: 'two cores',
    machine: { kernel: '6.1.0', cpus: 2, model: 'A processor', node: 'v20.19.0', memory: 8 },
    plan: { warmUp: 20, seconds: 60 },
    base: { name: 'abc', runs: [base] },
    own: { name: 'def', runs: [own] },
    comparison: compareRuns([base], [own]),
    notes: [],
    ...more,
  });
}

describe('the report', () => {
  it('has a heading, a verdict, a row for each resource and each kind of work, and the machine', () => {
    const text = report();
    assert.match(text, /^### Benchmark: two cores\n\n🟢 \*\*Green\*\*/);
    assert.match(text, /\| CPU, % of a core \| 3\.\d\d \| 3\.\d\d \| 0\.00 \|.*\| 🟢 left out, below 1 \|/);
    assert.match(text, /\| Memory, MiB \| 70\.\d \| 70\.\d \| 0\.0 \|/);
    for (const work of ['execs', 'endpoints', 'connections'])
      assert.match(text, new RegExp(`\\| Delivered ${work}, % \\| 100\\.00 \\| 100\\.00 \\| 0\\.00 \\|`));
    assert.match(text, /Base abc \(1 run\), this def \(1 run\)/);
    assert.match(text, /Linux 6\.1\.0, 2 × A processor, Node v20\.19\.0/);
  });

  it('names each reason of a red one', () => {
    const text = report(
      runOf(around(8), around(70), { delivered: { execs: 900, endpoints: 100, connections: 200 } }),
    );
    assert.match(text, /🔴 \*\*Red\*\*: CPU, % of a core: \+5\.\d\d; fewer execs delivered\./);
    assert.match(text, /🔴 more \|/);
    assert.match(text, /\| −10\.00 \|.*🔴 less \|/);
  });

  it('says that a run was short', () => {
    assert.match(report(base, { plan: { warmUp: 3, seconds: 5 } }), /A short run: 5 s instead of 60 s/);
    assert.doesNotMatch(report(), /short run/);
  });

  it('without runs to compare with has the medians, and says so', () => {
    const text = report(base, { comparison: undefined, notes: ['Not compared: 2 of the baseline’s runs.'] });
    assert.match(text, /Nothing to compare with: def \(1 run\)/);
    assert.match(text, /\| Memory, MiB \| 70\.\d \|/);
    assert.match(text, /Not compared: 2/);
  });

  it('is a table of equally long rows', () => {
    const rows = report()
      .split('\n')
      .filter((line) => line.startsWith('|'));
    assert.deepEqual(new Set(rows.map((line) => line.split(' | ').length)), new Set([7]));
  });
});

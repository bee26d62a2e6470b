import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Block } from '../../../scripts/overhead/block.js';
import { Journal } from '../../../scripts/overhead/journal.js';

const here = { kernel: '6.1', cpus: 2, model: 'a', node: 'v20', build: 'abc', seconds: 1, warmUp: 5 };
const costs = { clock: 1, work: 1, agent: 0, kernel: 0 };
const block: Block = {
  workload: 'exec',
  place: 'host',
  agent: 'collector',
  before: costs,
  ages: { warm: costs },
  after: costs,
  lost: 0,
};

describe('the journal of the bill', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'journal-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'journal');

  it('goes on with what a run before it measured', () => {
    new Journal(file, here).add(block);
    const journal = new Journal(file, { ...here });
    assert.deepEqual(journal.blocks, [block]);
    assert.equal(journal.count('exec', 'host', 'collector'), 1);
    assert.equal(journal.count('exec', 'containers', 'collector'), 0);
  });

  it('refuses what was measured of another build', () => {
    assert.throws(() => new Journal(file, { ...here, build: 'other' }), /other circumstances.*"build":"abc"/);
  });

  it('keeps nothing without a file', () => {
    const journal = new Journal(undefined, here);
    journal.add(block);
    assert.equal(journal.blocks.length, 1);
  });
});

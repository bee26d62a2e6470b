import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  incomparable,
  KEPT_RUNS,
  readBaseline,
  updateBaseline,
  type BaselineRun,
} from '../../../scripts/compare/baseline.js';
import { around, runOf } from './runs.js';

const machine = { kernel: '6.1.0', cpus: 2, model: 'A processor', node: 'v20.19.0', memory: 8 };
const plan = { warmUp: 20, seconds: 60 };

function baselineRun(commit: string): BaselineRun {
  return { commit, date: '2026-11-29T12:00:00.000Z', machine, plan, run: runOf(around(3), around(70)) };
}

describe('the baseline', () => {
  let folder = '';
  let file = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'baseline-'));
    file = path.join(folder, 'deeper/baseline.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const commits = () => readBaseline(file).map(({ commit }) => commit);

  it('is empty without a file', () => assert.deepEqual(readBaseline(file), []));

  it('gives back what was added, oldest first', () => {
    updateBaseline(file, [baselineRun('a')]);
    updateBaseline(file, [baselineRun('b')]);
    assert.deepEqual(readBaseline(file), [baselineRun('a'), baselineRun('b')]);
    assert.deepEqual(readdirSync(path.dirname(file)), ['baseline.json']);
  });

  it('keeps the latest runs alone', () => {
    for (let number = 0; number < KEPT_RUNS + 3; number++)
      updateBaseline(file, [baselineRun(String(number))]);
    assert.deepEqual(
      commits(),
      Array.from({ length: KEPT_RUNS }, (_, at) => String(at + 3)),
    );
    updateBaseline(
      file,
      Array.from({ length: KEPT_RUNS + 5 }, () => baselineRun('many')),
    );
    assert.deepEqual(new Set(commits()), new Set(['many']));
    assert.equal(commits().length, KEPT_RUNS);
  });

  for (const [what, text] of [
    ['no JSON', '{"format":1,'],
    ['another format', '{"format":2,"runs":[]}'],
    ['no runs', '{"format":1}'],
    ['a run without samples', '{"format":1,"runs":[{"commit":"a","machine":{},"plan":{},"run":{"cpu":[]}}]}'],
    ['null', 'null'],
  ] as const)
    it(`that has ${what} is refused with its name, and is not overwritten`, () => {
      file = path.join(folder, 'bad.json');
      writeFileSync(file, text);
      assert.throws(() => readBaseline(file), /Bad baseline '.*bad\.json' \(allowed: a file written by/);
      assert.throws(() => updateBaseline(file, [baselineRun('a')]));
      assert.equal(readFileSync(file, 'utf8'), text);
    });
});

describe('a run of the baseline', () => {
  it('can be compared on the same kind of machine, for the same time', () => {
    assert.equal(incomparable(baselineRun('a'), { ...machine, memory: 16 }, plan), undefined);
  });

  for (const { own, ownPlan = plan, why } of [
    { own: { ...machine, kernel: '6.12.1' }, why: 'kernel 6.1.0 instead of 6.12.1' },
    { own: { ...machine, cpus: 4 }, why: 'cpus 2 instead of 4' },
    { own: { ...machine, node: 'v22.0.0' }, why: 'node v20.19.0 instead of v22.0.0' },
    { own: { ...machine, model: 'B' }, why: 'model A processor instead of B' },
    { own: machine, ownPlan: { warmUp: 3, seconds: 5 }, why: '60 s instead of 5 s' },
  ])
    it(`is of another kind: ${why}`, () => {
      assert.equal(incomparable(baselineRun('a'), own, ownPlan), why);
    });
});

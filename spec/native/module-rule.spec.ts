import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { ContainerNames, containerInPath } from '../../actors/containers/cgroup-path.js';
import { containerId } from '../../actors/containers/id.js';
import { cgroupCases, cgroupLines } from '../support/cgroup-corpus.js';

/** Headers included by the module's sources, whose contents module-rule.c stands in for. */
const HEADERS = [
  'atomic',
  'cgroup',
  'hash',
  'jhash',
  'kernfs',
  'log2',
  'random',
  'rcupdate',
  'slab',
  'spinlock',
  'string',
  'vmalloc',
];
const HOST = '0'.repeat(12);
const [A, B, K] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];

describe("the kernel module's rule of cgroup names", function () {
  this.timeout(60_000);
  let folder: string;
  let program: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-module-rule-'));
    mkdirSync(path.join(folder, 'linux'));
    for (const header of HEADERS) writeFileSync(path.join(folder, 'linux', `${header}.h`), '');
    program = path.join(folder, 'module-rule');
    const source = path.join(import.meta.dirname, 'module-rule.c');
    // The rule reads words at any place, as both processors can.
    const flags = ['-std=gnu11', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize=alignment'];
    const checks = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-function', '-Wno-unused-parameter'];
    execFileSync('gcc', [
      ...flags,
      ...checks,
      '-Wno-unknown-pragmas',
      '-isystem',
      folder,
      '-o',
      program,
      source,
    ]);
  });
  after(() => rmSync(folder, { recursive: true }));

  /** What the module answers to lines of module-rule.c: container, outermost container, charged container. */
  function answers(lines: readonly string[]): string[][] {
    const output = execFileSync(program, {
      input: `${lines.join('\n')}\n`,
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    return output.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')]));
  }

  /** Each path on a node of its own. */
  function alone(paths: readonly string[]): string[] {
    return answers(paths.flatMap((one) => [`+${one}`, '.'])).map(([container = '']) => container);
  }

  it('finds the containers of all runtimes, as the scan of /proc does', () => {
    const paths = [...new Set(cgroupCases.flatMap(({ text }) => cgroupLines(text).map((line) => line.path)))];
    assert.ok(paths.length > 50, `${paths.length} paths`);
    assert.deepEqual(
      alone(paths),
      paths.map((one) => containerInPath(one) ?? HOST),
    );
  });

  it('agrees with the scan of /proc on any path', () => {
    const digits = fc.constantFrom(A, B, K, K.toUpperCase(), A.slice(1), `${A}0`, `${A.slice(1)}g`);
    const name = fc
      .tuple(
        fc.constantFrom('', '', 'x-', 'x:', 'x', 'x-conmon-', '-conmon', 'a.scope-', 'long-'.repeat(30)),
        digits,
        fc.constantFrom('', '', '.scope', '.scopes', '.scope.scope', '.service', '-conmon'),
      )
      .map((parts) => parts.join(''));
    const part = fc.oneof(
      name,
      fc.constantFrom('docker', 'init.scope', 'x-conmon', 'a.slice', 'b.scope', '.scope'),
    );
    const paths = fc.array(part, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(fc.array(paths, { minLength: 1, maxLength: 100 }), (some) => {
        assert.deepEqual(
          alone(some),
          some.map((one) => containerInPath(one) ?? HOST),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('keeps a nested name against a container with nested names without end', () => {
    const flood = Array.from(
      { length: 17_000 },
      (_, index) => index.toString(16).padStart(5, '0') + A.slice(5),
    );
    const lines = [
      ...flood.map((name) => `+/docker/${A}/${name}`),
      `+/docker/${B}/${K}`,
      `+/docker/${A}/${K}`,
    ];
    const [nested, forged] = answers(lines).slice(-2);
    assert.deepEqual(
      nested,
      [K, B, B].map((one) => one.slice(0, 12)),
    );
    assert.equal(forged![0], A.slice(0, 12));
  });

  it('judges a cgroup below more names than there are in use', () => {
    const deep = '/x'.repeat(600);
    assert.deepEqual(
      answers([`+/docker/${A}${deep}/${K}`, `+/docker/${A}${deep}`]).map(([container]) => container),
      [A.slice(0, 12), A.slice(0, 12)],
    );
  });

  it('leaves a forged name to the container around it, in whatever order the two come', () => {
    const real = `/docker/${K}`;
    for (const forged of [`/docker/${A}/${K}`, `/docker/${A}/x/${K}/y`, `/docker/${A}/${B}/${K}`]) {
      const names = new ContainerNames();
      names.begin();
      for (const one of [forged, real]) names.note('', one);
      names.settle();
      const expected = [forged, real].map((one) => containerId(names.containerOf('', one).container));
      // A verdict given before the other one came is given anew.
      const last = (lines: readonly string[]) =>
        answers(lines)
          .slice(-2)
          .map(([container]) => container);
      assert.deepEqual(last([`+${real}`, `+${forged}`, `+${real}`]).reverse(), [expected[1], expected[0]]);
      assert.deepEqual(last([`+${forged}`, `+${real}`, `+${forged}`, `+${real}`]), expected);
    }
  });

  it('gives the name of an ended cgroup to the next', () => {
    const [first, second] = [`/docker/${B}/${K}`, `/docker/${A}/${K}`];
    const lines = [`+${first}`, `-${first}`, `+${second}`];
    assert.deepEqual(
      answers(lines).map(([container = '']) => container.slice(0, 1)),
      ['c', 'c'],
    );
  });

  it('charges all containers made in one to the outermost', () => {
    const nested = `/docker/${A}/docker/${B}/docker/${K}`;
    assert.deepEqual(answers([`+${nested}`]), [['c', 'a', 'a'].map((digit) => digit.repeat(12))]);
  });

  it('judges more cgroups than it keeps verdicts on, with more bearers than it has room for', () => {
    const id = (number: number) => number.toString(16).padStart(12, '0') + 'd'.repeat(52);
    const numbers = Array.from({ length: 18_000 }, (_, number) => number + 1);
    const found = answers(numbers.map((number) => `+/docker/${id(number)}`));
    assert.deepEqual(
      found.map(([container]) => container),
      numbers.map((number) => id(number).slice(0, 12)),
    );
  });
});

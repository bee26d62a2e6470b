import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { codeHash } from '../../scripts/results/code.js';
import { fillPage, placesOf } from '../../scripts/results/pages.js';
import type { Result } from '../../scripts/results/result.js';

describe('results of benchmarks in pages', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-results-'));
    mkdirSync(path.join(folder, 'code/deep'), { recursive: true });
    writeFileSync(
      path.join(folder, 'code/one.ts'),
      '/** Adds. */\nexport const add = (a: number) => a + 1;\n',
    );
    writeFileSync(path.join(folder, 'code/deep/two.c'), 'int two(void) { return 2; } // two\n');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const rewrite = (file: string, text: string) => {
    const before = codeHash(folder, 'code');
    writeFileSync(path.join(folder, 'code', file), text);
    return before === codeHash(folder, 'code');
  };

  it('are not older for another comment or layout', () => {
    assert.ok(rewrite('one.ts', '// Sums.\nexport const add =\n  (a: number) =>\n    a + 1;\n'));
    assert.ok(rewrite('deep/two.c', '/* 2 */\nint two(void)\n{\n    return 2;\n}\n'));
    assert.ok(rewrite('readme.md', 'No code.\n'));
  });

  it('are older once the code does something else, at any depth', () => {
    assert.ok(!rewrite('one.ts', 'export const add = (a: number) => a + 2;\n'));
    assert.ok(!rewrite('deep/two.c', 'int two(void) { return 3; }\n'));
    assert.ok(!rewrite('deep/three.h', 'int three(void);\n'));
  });

  it('need some code', () => {
    assert.throws(() => codeHash(folder, 'code/deep/none'), /ENOENT/);
    mkdirSync(path.join(folder, 'empty'));
    assert.throws(() => codeHash(folder, 'empty'), /no source in 'empty'/);
  });

  const result: Result<{ readonly rate: number }> = {
    command: 'npm run overhead -- --save',
    commit: 'abcdef012',
    date: '2026-11-29',
    machine: { kernel: '6.18', cpus: 2, model: 'some', node: 'v20.19.0', memory: 8 },
    code: {},
    data: { rate: 7 },
  };
  const renderers = {
    overhead: { of: ['overhead'], render: ({ rate }: { readonly rate: number }) => `rate ${rate}\n` },
    both: {
      of: ['overhead', 'scale'],
      render: (one: { readonly rate: number }, other: { readonly rate: number }) =>
        `rates ${one.rate} and ${other.rate}`,
    },
  };

  it('come into their places with their command, and nothing else of the page changes', () => {
    const page = 'Before\n<!-- result: overhead -->\nold\n<!-- /result -->\nAfter\n';
    const filled = fillPage(page, renderers, () => result);
    assert.deepEqual(placesOf(filled), ['overhead']);
    assert.match(
      filled,
      /^Before\n<!-- result: overhead -->\n\nrate 7\n\n_`npm run overhead -- --save`, 2026-11-29,/,
    );
    assert.match(filled, /commit abcdef012; .*_\n\n<!-- \/result -->\nAfter\n$/);
    assert.equal(
      fillPage(filled, renderers, () => result),
      filled,
    );
  });

  it('come together into one place', () => {
    const results = (name: string) => (name === 'scale' ? { ...result, data: { rate: 9 } } : result);
    const filled = fillPage('<!-- result: both -->\n<!-- /result -->\n', renderers, results);
    assert.match(filled, /\n\nrates 7 and 9\n\n_`npm run overhead`, `npm run overhead`, 2026-11-29\._\n/);
  });

  it('name what is missing', () => {
    const page = '<!-- result: scale -->\n<!-- /result -->\n';
    assert.throws(
      () => fillPage(page, renderers, () => result),
      /No renderer for 'scale' \(allowed: overhead, both\)/,
    );
    const known = page.replace('scale', 'overhead');
    assert.throws(() => fillPage(known, renderers, () => undefined), /No result 'overhead' in docs\/results/);
  });
});

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

describe('The page at /inspect', () => {
  it('has at most 150 kB compressed, with all there is to it', () => {
    const folder = path.resolve(import.meta.dirname, '../../../dist/inspect');
    const files = readdirSync(folder);
    assert.deepEqual(files.toSorted(), ['app.js', 'charts.json', 'index.html', 'style.css']);
    const sizes = files.map((file) => gzipSync(readFileSync(path.join(folder, file))).length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(
      total <= 150_000,
      `${total} bytes: ${files.map((file, n) => `${file} ${sizes[n]!}`).join(', ')}`,
    );
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { configurationReference } from '../../scripts/reference.js';

describe('docs/configuration.md', () => {
  it('says what the table of settings says; if not, run npx tsx scripts/configuration.ts', () => {
    const file = path.resolve(import.meta.dirname, '../../docs/configuration.md');
    assert.equal(readFileSync(file, 'utf8'), configurationReference());
  });
});

import assert from 'node:assert/strict';
import { COLUMNS, countFile, longCommentLines, rate, total } from '../../scripts/comments.js';

describe('the count of relative words', () => {
  it('takes the words of comments, and nothing of the code', () => {
    const source = [
      '/** A record that was lost. */',
      "const which = 'what was lost'; // whose it was",
      '/* those',
      '   who came */',
    ].join('\n');
    assert.deepEqual(countFile('some.ts', source), { words: 11, relative: 4 });
    assert.deepEqual(countFile('some.h', source), { words: 11, relative: 4 });
  });

  it('leaves out names in backticks, licence lines and addresses', () => {
    const source = [
      '// SPDX-License-Identifier: Apache-2.0',
      '// Calls `that` once.',
      "const home = 'https://which.example';",
    ].join('\n');
    assert.deepEqual(countFile('some.ts', source), { words: 2, relative: 0 });
  });

  it('takes prose of Markdown without code and tables', () => {
    const page = [
      'What it *is*',
      '',
      '| that | which |',
      '',
      '`such` is code',
      '',
      '```text',
      'those',
      '```',
    ].join('\n');
    assert.deepEqual(countFile('page.md', page), { words: 5, relative: 1 });
  });

  it('knows whole words in any case, and takes what’s beside an apostrophe for another', () => {
    assert.deepEqual(countFile('page.md', "THAT whatever somewhat that's"), { words: 4, relative: 2 });
  });

  it('is a rate per 1,000 words, of several files by their sums', () => {
    const all = total([
      { words: 900, relative: 10 },
      { words: 100, relative: 15 },
    ]);
    assert.equal(rate(all), 25);
    assert.equal(rate(total([])), 0);
  });
});

describe('the width of comments', () => {
  const wide = `${'word '.repeat(23)}words`;

  it('is that of the line, comments in blocks and beside code included', () => {
    assert.equal(wide.length, COLUMNS);
    const source = [
      wide,
      ` * ${wide}`,
      '/*',
      ` * ${wide}`,
      ' */',
      `f(); // ${wide}`,
      `// ${wide.slice(3)}`,
    ].join('\n');
    assert.deepEqual(longCommentLines('some.cc', source), [
      { line: 4, columns: COLUMNS + 3 },
      { line: 6, columns: COLUMNS + 8 },
    ]);
  });

  it('counts characters, not their code units', () => {
    assert.deepEqual(
      longCommentLines('some.ts', `// 𝜇 ${'x '.repeat((COLUMNS - 5) / 2)}x`.slice(0, COLUMNS + 1)),
      [],
    );
  });

  it('in a shell script is that of lines which begin with #', () => {
    const script = [`# ${wide}`, `echo "${wide}" # ${wide}`].join('\n');
    assert.deepEqual(longCommentLines('some.sh', script), [{ line: 1, columns: COLUMNS + 2 }]);
  });

  it('is no matter where one long word stands alone, since it cannot be wrapped', () => {
    assert.deepEqual(longCommentLines('some.ts', ` // https://${'x'.repeat(COLUMNS)}`), []);
  });
});

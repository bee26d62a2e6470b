import assert from 'node:assert/strict';
import fc from 'fast-check';
import { processJson } from '../../actors/output/json.js';
import { json } from '../../actors/http/route.js';
import { formatJson, formatLine } from '../../actors/telemetry/line.js';
import { escapeControls, escapeJson, startOf, UNSAFE } from '../../actors/telemetry/plain-text.js';

/** By Unicode's own categories: controls, separators of lines and paragraphs, marks of direction, tags. */
const POWERFUL = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\u{e0000}-\u{e007f}\ufeff]/u;

const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '\x1b',
      '\x7f',
      '\x85',
      '\x9b',
      '\u061c',
      '\u2028',
      '\u202e',
      '\u2067',
      '\ufeff',
      '\u{e0041}',
      '"',
      '\\',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});

describe('text that a container chose', () => {
  it('keeps letters of any language, emoji and their joiners', () => {
    const text = 'größer Ἀθήνα עברית العربية 日本 👩\u200d👩\u200d👧';
    assert.equal(escapeControls(text), text);
    assert.equal(escapeJson(JSON.stringify(text)), JSON.stringify(text));
  });

  it('becomes one line without power over a screen, in text and in JSON', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        assert.doesNotMatch(escapeControls(text), POWERFUL);
        const line = escapeJson(JSON.stringify({ [text]: text }));
        assert.doesNotMatch(line, POWERFUL);
        assert.deepEqual(JSON.parse(line), { [text]: text });
      }),
    );
  });

  it('is never cut within a character', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((length) => startOf('a🙂b', length)),
      ['', 'a', 'a', 'a🙂', 'a🙂b'],
    );
  });

  it('knows every character that Unicode calls a control or a mark of direction', () => {
    for (let code = 0; code < 0x11_0000; code++) {
      const character = String.fromCodePoint(code);
      if (POWERFUL.test(character)) assert.match(character, new RegExp(UNSAFE.source), code.toString(16));
    }
  });

  it('is escaped in log lines of both forms, in messages and in answers', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const signal = {
          record: 0,
          id: '00000000-0000-8000-8000-000000000000',
          container: 1,
          sharer: 1,
          time: 0,
          name: text,
          path: text,
          args: text,
          pid: 1,
          uid: 0,
          gid: 0,
          scraped: false,
          lineage: [{ pid: 1, uid: 0, path: text }],
        };
        const body = json(200, { text }).body as string;
        const lines = [formatLine('info', 0, text), formatJson('info', 0, text), processJson(signal), body];
        for (const line of lines) assert.doesNotMatch(line, POWERFUL);
      }),
    );
  });
});

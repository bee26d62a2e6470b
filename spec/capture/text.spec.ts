import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { decodeField, decodeText } from '../../actors/capture/text.js';

function decode(bytes: readonly number[] | string, cut = false): string {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes);
  return decodeText(buffer, 0, buffer.length, cut);
}

describe('text of a process', () => {
  const cases: readonly (readonly [string, readonly number[] | string, string])[] = [
    ['ASCII as it is', 'ls -l', 'ls -l'],
    ['UTF-8 as it is', 'naïve 模块 🙂', 'naïve 模块 🙂'],
    ['nothing', '', ''],
    ['a lone continuation byte', [0x61, 0x80, 0x62], 'a?b'],
    ['each byte of an invalid run', [0xff, 0xfe, 0x41], '??A'],
    ['an overlong form', [0xc0, 0xaf], '??'],
    ['a surrogate', [0xed, 0xa0, 0x80], '???'],
    ['a character that ends early', [0xe6, 0xa8, 0x41], '??A'],
    ['a replacement character that was really there', [0xef, 0xbf, 0xbd, 0xff], '\uFFFD?'],
    ['a character of four bytes beside an invalid byte', [0xf0, 0x9f, 0x99, 0x82, 0xff], '🙂?'],
  ];
  for (const [what, bytes, expected] of cases) {
    it(`gives ${what} as '${expected}'`, () => assert.equal(decode(bytes), expected));
  }

  it('leaves out a character that the end cut off, if it was cut there', () => {
    assert.equal(decode([0x61, 0xe6, 0xa8], true), 'a');
    assert.equal(decode([0x61, 0xe6, 0xa8]), 'a??');
    assert.equal(decode([0x61, 0xff], true), 'a?');
    assert.equal(decode('aé', true), 'aé');
  });

  it('keeps valid text and turns every other byte into one question mark', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 6 }))),
        (parts) => {
          const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
          const text = decodeText(bytes, 0, bytes.length);
          if (isUtf8(bytes)) assert.equal(text, bytes.toString());
          // Whatever stands for bytes that are no text is one byte long, so that nothing is lost and nothing is added.
          assert.equal(Buffer.byteLength(text), bytes.length);
        },
      ),
    );
  });

  it('ends a fixed field at its first NUL', () => {
    const field = Buffer.from('kworker\0rubbish..');
    assert.equal(decodeField(field, 0, 16), 'kworker');
    assert.equal(decodeField(Buffer.from('exactly-16-bytes'), 0, 16), 'exactly-16-bytes');
  });
});

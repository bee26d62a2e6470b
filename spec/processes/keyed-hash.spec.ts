import assert from 'node:assert/strict';
import fc from 'fast-check';
import { KeyedHash } from '../../actors/processes/keyed-hash.js';

function digest(write: (hash: KeyedHash) => void, hash = new KeyedHash(1, 2)): string {
  const words = new Uint32Array(2);
  hash.start();
  write(hash);
  hash.end(words);
  return Buffer.from(words.buffer).toString('hex');
}

describe('a keyed hash', () => {
  /** Published with the algorithm: the key's bytes are 0 to 7, and so are the message's, from 0. */
  const published = [
    '218d1f59b9b83cc8',
    'd5e78a175be52ea1',
    'edfee820bce4858c',
    '7bc71f9faef5c799',
    '7336aad25f7bf3b5',
  ];
  published.forEach((expected, words) => {
    it(`of ${words * 4} bytes is the published one`, () => {
      const hash = new KeyedHash(0x03020100, 0x07060504);
      const write = () => {
        for (let i = 0; i < words; i++) hash.word((0x03020100 + i * 0x04040404) >>> 0);
      };
      assert.equal(digest(write, hash), expected);
    });
  });

  it('depends on nothing but the message and the key', () => {
    const hash = new KeyedHash(1, 2);
    const write = () => hash.text('ls');
    const first = digest(write, hash);
    assert.equal(digest(write, hash), first);
    assert.equal(
      digest((other) => other.text('ls')),
      first,
    );
    assert.notEqual(
      digest((other) => other.text('ls'), new KeyedHash(1, 3)),
      first,
    );
  });

  it('tells any two lists of texts apart, wherever one text ends and the next begins', () => {
    const list = fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(list, list, (one, other) => {
        const of = (texts: readonly string[]) => digest((hash) => texts.forEach((text) => hash.text(text)));
        assert.equal(of(one) === of(other), one.join('\n') === other.join('\n') && one[0] === other[0]);
      }),
    );
    const of = (...texts: readonly string[]) => digest((hash) => texts.forEach((text) => hash.text(text)));
    assert.equal(new Set([of('ab', 'c'), of('a', 'bc'), of('abc', ''), of('', 'abc'), of('abc')]).size, 5);
  });

  it('takes no more of a text than it is told to, nor than a path can have', () => {
    const of = (text: string, most?: number) => digest((hash) => hash.text(text, most));
    assert.equal(of('abcdef', 3), of('abc'));
    assert.notEqual(of('abcdef', 4), of('abc'));
    assert.equal(of('x'.repeat(10_000)), of('x'.repeat(4096)));
    // Three texts as long as can be have room.
    assert.doesNotThrow(() => digest((hash) => [1, 2, 3].forEach(() => hash.text('y'.repeat(5000)))));
  });
});

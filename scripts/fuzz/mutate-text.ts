import type { Random } from './random.js';

/** Texts that parsers and screens stumble over. */
export const HOSTILE: readonly string[] = [
  '',
  ' ',
  '\0',
  '\n',
  '\r\n',
  '\t',
  '\x1b[2J\x1b[H',
  '\x1b]0;title\x07',
  '\x9b31m',
  '\u202e',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\udb40\udc41',
  '🙂',
  'é',
  'a\u0301',
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'valueOf',
  '__defineGetter__',
  'null',
  'undefined',
  'NaN',
  'Infinity',
  '-1',
  '-0',
  '0x10',
  '1e999',
  '1e-7',
  '0.1',
  '4294967296',
  '9007199254740993',
  '99999999999999999999',
  '٣',
  '%00',
  '%',
  '%ff',
  '$&',
  '${x}',
  '../..',
  '/',
  '//',
  '\\',
  '"',
  "'",
  '`',
  '*',
  '****************',
  '{}',
  '[]',
  ':',
  ',',
  '&',
  '=',
  '#',
  '(',
  ')',
  'A'.repeat(300),
  'A'.repeat(5000),
  'ab/'.repeat(400),
  '*a'.repeat(500),
];
const MOST_CHARACTERS = 64 * 1024;
const MOST_CHANGES = 5;
/** Where a text comes apart: between words, and around punctuation. */
const SEAMS = /(?<=[^\p{L}\p{N}_])|(?=[^\p{L}\p{N}_])/u;

/** Changes a text at the seams of its words: words are left out, put in, doubled, exchanged. */
export function mutateText(text: string, random: Random, other: string, words: readonly string[]): string {
  const parts = text.slice(0, MOST_CHARACTERS).split(SEAMS);
  for (let left = random.size(MOST_CHANGES); left > 0; left--) change(parts, random, other, words);
  return parts.join('').slice(0, MOST_CHARACTERS);
}

function change(parts: string[], random: Random, other: string, words: readonly string[]): void {
  const at = random.below(parts.length);
  const count = Math.min(random.size(4), parts.length - at);
  const word = random.oneIn(3) && words.length > 0 ? random.pick(words) : random.pick(HOSTILE);
  switch (random.below(7)) {
    case 0:
      parts.splice(at, count);
      break;
    case 1:
      parts.splice(at, 0, word);
      break;
    case 2:
      parts.splice(at, 1, word);
      break;
    case 3:
      parts.splice(at, 0, ...parts.slice(at, at + count));
      break;
    case 4: {
      const from = random.below(other.length);
      parts.splice(at, random.below(2), other.slice(from, from + random.size(6)));
      break;
    }
    case 5:
      parts.push(...parts.splice(at, count));
      break;
    default: {
      // Within a word.
      const old = parts[at] ?? '';
      const cut = random.below(old.length + 1);
      parts[at] = old.slice(0, cut) + random.pick(HOSTILE).slice(0, 8) + old.slice(cut + random.below(2));
    }
  }
}

/** A text of some processes, users and kubelets: hostile or harmless. */
export function someText(random: Random): string {
  const count = random.below(4);
  const parts = Array.from({ length: count }, () => random.pick(HOSTILE));
  return random.oneIn(3) ? parts.join('') : `web-${random.below(10)}${parts.join('x')}`;
}

/**
 * Comments of sources and prose of Markdown, as they are counted and measured by scripts/relative-words.ts.
 *
 * Relative words open a clause where a noun mostly says the same in fewer words: "the one that was told least" is the
 * least-reported key. Their number per 1,000 words is a cheap measure of how fast a stranger reads a text.
 */
const RELATIVE_WORDS = new Set('that which what who whom whose whoever whatever those such'.split(' '));

/** Widest line with a comment in it: code is kept narrower by prettier and clang-format, comments by nobody else. */
export const COLUMNS = 120;

/** A block comment, or from `//` to the end of its line: not after a letter or a colon, as in an address. */
const COMMENT = /\/\*[\s\S]*?\*\/|(?<!\S)\/\/[^\n]*/g;
/** Parts of a comment in another language: code, and the line for tools about the licence. */
const NO_WORDS = /`[^`]*`|SPDX[^\n]*/g;
/** Parts of Markdown that are not prose: blocks of code, code in a line, rows of a table. */
const NO_PROSE = /```[\s\S]*?```|`[^`]*`|^\s*\|.*$/gm;
const WORD = /[a-z']+/g;

export interface WordCount {
  readonly words: number;
  readonly relative: number;
}

interface Comment {
  readonly text: string;
  /** Offset of its first character in the source. */
  readonly start: number;
}

export interface LongLine {
  /** Counted from 1. */
  readonly line: number;
  readonly columns: number;
}

/** Counts the comments of a source in TypeScript, C or C++, or the prose of a Markdown file. */
export function countFile(name: string, text: string): WordCount {
  if (name.endsWith('.md')) return countWords(text.replace(NO_PROSE, ' '));
  return total(slashComments(text).map((comment) => countWords(comment.text.replace(NO_WORDS, ' '))));
}

function countWords(text: string): WordCount {
  const words = text.toLowerCase().match(WORD) ?? [];
  return { words: words.length, relative: words.filter((word) => RELATIVE_WORDS.has(word)).length };
}

/** Sums counts of several texts. */
export function total(counts: Iterable<WordCount>): WordCount {
  let [words, relative] = [0, 0];
  for (const count of counts) {
    words += count.words;
    relative += count.relative;
  }
  return { words, relative };
}

/** Returns the relative words per 1,000 words; 0 for a text without words. */
export function rate({ words, relative }: WordCount): number {
  return words === 0 ? 0 : (1000 * relative) / words;
}

/** Returns a source in C or C++ without its comments. */
export function withoutComments(text: string): string {
  return text.replace(COMMENT, ' ');
}

/** Lists the lines beyond COLUMNS that hold a comment, unless its last word alone is too long to be wrapped. */
export function longCommentLines(name: string, text: string): LongLine[] {
  const lines = text.split('\n');
  const commented = name.endsWith('.sh') ? hashLines(lines) : slashLines(text);
  const found: LongLine[] = [];
  for (const index of commented) {
    const columns = Array.from(lines[index]!).length;
    if (columns > COLUMNS && !isUnbreakable(lines[index]!)) found.push({ line: index + 1, columns });
  }
  return found;
}

function slashComments(text: string): Comment[] {
  return [...text.matchAll(COMMENT)].map((match) => ({ text: match[0], start: match.index }));
}

/** Numbers, from 0, of the lines with a part of a comment, each once. */
function slashLines(text: string): Set<number> {
  const found = new Set<number>();
  let line = 0;
  let at = 0;
  for (const comment of slashComments(text)) {
    line += lineBreaks(text.slice(at, comment.start));
    at = comment.start;
    for (let i = 0; i <= lineBreaks(comment.text); i++) found.add(line + i);
  }
  return found;
}

function lineBreaks(text: string): number {
  return text.split('\n').length - 1;
}

/** Of a shell script only whole lines count: `#` within one may be of an expansion or a string. */
function hashLines(lines: readonly string[]): number[] {
  return [...lines.keys()].filter((index) => /^\s*#/.test(lines[index]!));
}

/** A long address or path after the comment's sign, which no line break makes shorter. */
function isUnbreakable(line: string): boolean {
  return /^\s*(\/\/|\/?\*+|#)?\s*\S+$/.test(line);
}

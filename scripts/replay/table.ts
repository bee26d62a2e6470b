/** Prints comparisons of replays as Markdown. */
import type { Comparison } from './difference.js';

/** Differing messages that are printed of each kind and side. */
const MOST_SHOWN = 3;
/** Columns of a message, and those before its first difference. */
const WIDTH = 160;
const LEAD = 60;

const HEAD = [
  '| recording | kind | in base | in this one | only in base | only in this one |',
  '| --- | --- | --: | --: | --: | --: |',
];

export function isEqual({ differences, reordered }: Comparison): boolean {
  return differences.length + reordered.length === 0;
}

/** A table with a row for each differing kind of messages, or one for all, and the first differing messages below. */
export function table(comparisons: ReadonlyMap<string, Comparison>): string {
  const rows: string[] = [];
  const details: string[] = [];
  for (const [recording, comparison] of comparisons) {
    const { base, own, differences, reordered } = comparison;
    if (isEqual(comparison)) rows.push(row(recording, 'all', base, own, 0, 0));
    for (const format of reordered) rows.push(row(recording, `order of ${format}`, base, own, 0, 0));
    for (const { kind, base, own, onlyInBase, onlyInOwn } of differences) {
      rows.push(row(recording, kind, base, own, onlyInBase.length, onlyInOwn.length));
      details.push(
        `${recording}, ${kind}:`,
        '',
        ...shown('-', onlyInBase, onlyInOwn),
        ...shown('+', onlyInOwn, onlyInBase),
        '',
      );
    }
  }
  return [...HEAD, ...rows, '', ...details].join('\n').trimEnd();
}

function row(...cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** The first messages, each around its first difference from its counterpart. */
function shown(sign: '-' | '+', texts: readonly string[], others: readonly string[]): string[] {
  const first = texts
    .slice(0, MOST_SHOWN)
    .map((text, at) => `    ${sign} ${excerpt(text, others[at] ?? '')}`);
  const more = texts.length - first.length;
  return more > 0 ? [...first, `    ${sign} … ${more} more`] : first;
}

function excerpt(text: string, other: string): string {
  let same = 0;
  while (same < Math.min(text.length, other.length) && text[same] === other[same]) same++;
  const start = Math.max(0, Math.min(same - LEAD, text.length - WIDTH));
  const end = Math.min(start + WIDTH, text.length);
  return `${start > 0 ? '…' : ''}${text.slice(start, end)}${end < text.length ? '…' : ''}`;
}

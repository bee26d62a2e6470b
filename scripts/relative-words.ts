/**
 * Checks how comments and prose read, as a part of `npm run lint`: the relative words in them (listed, with the reason,
 * in scripts/comments.ts) and the width of comments. `npx tsx scripts/relative-words.ts FILE…` only counts the named
 * files.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { COLUMNS, countFile, longCommentLines, rate, total, type WordCount } from './comments.js';
import { command } from './command.js';

const root = path.dirname(import.meta.dirname);

/** Relative words per 1,000 in a group of texts; a file of fewer words than `fewest` has no rate worth a limit. */
interface Limit {
  readonly group: string;
  readonly files: readonly string[];
  readonly together: number;
  readonly each: number;
  readonly fewest: number;
}

/** Models in the field have 14 to 24 in comments (opentelemetry-ebpf-profiler, tetragon, codemirror, xstate). */
const LIMITS: readonly Limit[] = [
  {
    group: 'comments of the product',
    files: ['collector.ts', ...sources('actors', 'machines', 'native')],
    together: 25,
    each: 40,
    fewest: 100,
  },
  {
    group: 'README and docs',
    files: ['*.md', 'docs/*.md', 'docs/**/*.md'],
    together: 20,
    each: 30,
    fewest: 1,
  },
];
/** Pages generated from the texts of `--help`: mended there, if at all, so they count in the sum only. */
const GENERATED = new Set(['docs/configuration.md']);
/** Of fewer words a rate says nothing: the file counts in the sum only. */
const FEWEST_SHOWN = 40;
/** Files with a width of comments. */
const MEASURED = ['*.ts', '*.h', '*.c', '*.cc', '*.sh'];

interface CountedFile extends WordCount {
  readonly file: string;
}

await command((files) => Promise.resolve(files.length > 0 ? show(files) : check()));

function sources(...folders: readonly string[]): string[] {
  return folders.flatMap((folder) => ['ts', 'h', 'c', 'cc'].map((ending) => `${folder}/**/*.${ending}`));
}

/** Prints the rate of each file with enough words, the highest first, and of all together. */
function show(files: readonly string[]): boolean {
  const counted = count(files);
  const shown = counted.filter(({ words }) => words >= FEWEST_SHOWN);
  for (const file of shown.sort((a, b) => rate(b) - rate(a))) print(file, file.file);
  const all = total(counted);
  print(all, `all together, ${all.words} words`);
  return true;
}

function print(words: WordCount, of: string): void {
  console.log(`${rate(words).toFixed(1).padStart(6)}  ${of}`);
}

/** Prints every figure above its limit. @returns whether there is none */
function check(): boolean {
  const problems: string[] = [];
  for (const { group, files, together, each, fewest } of LIMITS) {
    const counted = count(listed(files));
    for (const file of counted) {
      if (GENERATED.has(file.file)) continue;
      if (file.words >= fewest && rate(file) > each) problems.push(aboveLimit(file.file, file, each));
    }
    const all = total(counted);
    if (rate(all) > together) problems.push(aboveLimit(`${group}, all together`, all, together));
  }
  for (const file of listed(MEASURED)) {
    for (const { line, columns } of longCommentLines(file, read(file))) {
      problems.push(`${file}:${line}: a comment of ${columns} columns; ${COLUMNS} are allowed.`);
    }
  }
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}

function aboveLimit(subject: string, words: WordCount, allowed: number): string {
  return `${subject}: ${rate(words).toFixed(1)} relative words per 1,000; ${allowed} are allowed.`;
}

function count(files: readonly string[]): CountedFile[] {
  return files.map((file) => ({ file, ...countFile(file, read(file)) }));
}

function read(file: string): string {
  return readFileSync(path.resolve(root, file), 'utf8');
}

/** Files of the project by Git's patterns, without ignored and deleted ones. */
function listed(patterns: readonly string[]): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--'];
  const globs = patterns.map((pattern) =>
    pattern.includes('/') || pattern === '*.md' ? `:(glob)${pattern}` : pattern,
  );
  const { status, stdout, stderr } = spawnSync('git', [...args, ...globs], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git cannot list the files of the project: ${stderr}`);
  return [...new Set(stdout.split('\0'))].filter((file) => file !== '' && existsSync(path.join(root, file)));
}

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

/** Paths of the repository in backticks; settings, routes and types begin otherwise. */
const PATH = /`((?:actors|machines|native|proto|scripts|spec|deploy|docs)\/[\w./-]+|collector\.ts)`/g;

function read(page: string): string {
  return readFileSync(path.join(root, page), 'utf8');
}

/** Made by the build, or in words only (`proto/generated/`). */
function isMade(file: string): boolean {
  return /^(native\/build|proto\/generated)\//.test(file);
}

/** GitHub's anchors: of each heading its words in lower case, joined by hyphens. */
function anchors(page: string): Set<string> {
  const headings =
    read(page)
      .replace(/```[\s\S]*?```/g, '')
      .match(/^#+ .*$/gm) ?? [];
  const anchor = (heading: string): string =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
  return new Set(headings.map(anchor));
}

/** Names of all files of the sources. */
const baseNames = new Set(
  ['actors', 'machines', 'native', 'scripts', 'spec', 'proto']
    .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }))
    .concat(readdirSync(root))
    .map((file) => path.basename(file)),
);

describe('pages of documentation', () => {
  for (const page of pages) {
    it(`${page} leads to files and sections that exist`, () => {
      const missing = [...read(page).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].filter(
        ([, file = '', section]) => {
          const target = path.relative(
            root,
            path.resolve(root, path.dirname(page), file || path.basename(page)),
          );
          if (!existsSync(path.join(root, target))) return true;
          return (
            section !== undefined &&
            statSync(path.join(root, target)).isFile() &&
            !anchors(target).has(section)
          );
        },
      );
      assert.deepEqual(
        missing.map(([link]) => link),
        [],
      );
    });

    it(`${page} names files that exist, without their folder too`, () => {
      const named = [...read(page).matchAll(/`([\w.-]+\.(?:ts|h|c|cc))`/g)].map(([, file]) => file!);
      assert.deepEqual(
        [...new Set(named)].filter((file) => !baseNames.has(file)),
        [],
      );
    });

    it(`${page} names files that exist`, () => {
      const files = [...read(page).matchAll(PATH)].map(([, file]) => file!);
      const missing = files.filter((file) => !isMade(file) && !existsSync(path.join(root, file)));
      assert.deepEqual([...new Set(missing)], []);
    });
  }

  it('README fits on a screen, and comes to Kubernetes early', () => {
    const lines = read('README.md').trimEnd().split('\n');
    assert.ok(lines.length <= 110, `${lines.length} lines`);
    assert.ok(lines.indexOf('## On Kubernetes') < 40);
  });
});

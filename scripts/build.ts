/**
 * Builds all code of the daemon into dist/: its bundle, with the code for proto/, the bundle of the thread for
 * profiles, the page at /inspect, and through native/Makefile the add-on and the programs started by the daemon.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';
import { layOutCharts } from './charts/layout.js';
import { generateMessages } from './proto.js';

const root = path.dirname(import.meta.dirname);

/** Node brings its own headers, beside its `bin` folder. */
function nodeInclude(): string {
  const folder = process.env['NODE_INCLUDE'] ?? path.resolve(process.execPath, '../../include/node');
  if (existsSync(path.join(folder, 'node_api.h'))) return folder;
  throw new Error(
    `Node's headers are not in ${folder}. Install Node from nodejs.org or NodeSource, whose packages bring them, ` +
      `or set NODE_INCLUDE to the include/node folder of Node ${process.version}.`,
  );
}

/**
 * Keeps the media types of Collector's requests and responses, of the 2,500 known to koa: parsed, all of them take over
 * a megabyte of every node, twice, since koa depends on two versions of the list.
 */
const mediaTypes: Plugin = {
  name: 'media-types',
  setup(build) {
    const used = ['application/json', 'application/octet-stream', 'text/html', 'text/plain'];
    build.onLoad({ filter: /\/mime-db\/db\.json$/ }, ({ path: file }) => {
      const all = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      return {
        contents: JSON.stringify(Object.fromEntries(used.map((type) => [type, all[type]]))),
        loader: 'json',
      };
    });
  },
};

/** Leaves the command in a bundle of its own: the daemon starts without it. */
const apart: Plugin = {
  name: 'apart',
  setup(build) {
    build.onResolve({ filter: /\/main\.js$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './command.js', external: true } : undefined,
    );
  },
};

async function bundle(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: {
      collector: 'collector.ts',
      command: 'actors/command/main.ts',
      'profile-worker': 'actors/profiles/worker.ts',
    },
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    // The daemon reads its map on the node, for positions in profiles: with the sources in it, the map takes twice the
    // memory.
    sourcesContent: false,
    // V8 keeps the text: with comments and indentation it takes 6 MB of every node instead of 2. Lines stay short,
    // since a profile counts by them, and names stay as they are.
    minifyWhitespace: true,
    // Writes the numbers of constants where they are used, for the reason in layout.ts, at its enums.
    minifySyntax: true,
    lineLimit: 120,
    plugins: [mediaTypes, apart],
    external: ['*.node'],
    // CommonJS dependencies (pino) call require, missing in an ES module.
    banner: {
      js: "import { createRequire as _createRequire } from 'node:module'; const require = _createRequire(import.meta.url);",
    },
  });
  // Wherever the folder is copied to, the bundle is found to be an ES module without being compiled twice.
  writeFileSync(path.join(root, 'dist/package.json'), '{ "type": "module" }\n');
}

/** Into dist/inspect: the page, its code and styles, and the charts for it to draw. */
async function page(): Promise<void> {
  const source = path.join(root, 'actors/inspection/page');
  const target = path.join(root, 'dist/inspect');
  await build({
    absWorkingDir: root,
    entryPoints: ['app.ts', 'style.css'].map((name) => path.join(source, name)),
    outdir: target,
    bundle: true,
    platform: 'browser',
    // The browsers of two years ago.
    target: ['chrome120', 'firefox120', 'safari17'],
    format: 'esm',
    minify: true,
    legalComments: 'none',
  });
  copyFileSync(path.join(source, 'index.html'), path.join(target, 'index.html'));
  writeFileSync(path.join(target, 'charts.json'), JSON.stringify(await layOutCharts()));
}

/** Standard output stays free: it is where `npm start` prints events. */
function native(): void {
  const args = ['-s', '-C', 'native', 'DIST=../dist', `NODE_INCLUDE=${nodeInclude()}`];
  const { status, error } = spawnSync('make', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw new Error(`make does not start: ${error.message}. Run scripts/setup.sh build.`);
  if (status !== 0) throw new Error('native/ does not build; see above.');
}

try {
  generateMessages();
  await bundle();
  await page();
  native();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

import { build } from 'esbuild';

/** Bundles a measure of the product's parts as the product is bundled: V8 sees the same code. */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    minifySyntax: true,
    external: ['*.node'],
    logLevel: 'error',
    banner: {
      js: "import { createRequire as _createRequire } from 'node:module'; const require = _createRequire(import.meta.url);",
    },
  });
}

/**
 * Generates proto/generated/*.js and their types from proto/*.proto: the messages between the daemon and Sensor,
 * container runtimes and pprof.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);

/** Generated files with their sources: apart, since each is loaded by another program. */
const GENERATED = { messages: ['sensor', 'cri'], profile: ['profile'] };

/** @throws Error when a .proto file is wrong; pbjs has then said where on standard error */
export function generateMessages(): void {
  const pbjs = createRequire(import.meta.url).resolve('protobufjs-cli/bin/pbjs');
  mkdirSync(path.join(root, 'proto/generated'), { recursive: true });
  const left = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'service'].map(
    (part) => `--no-${part}`,
  );
  for (const [name, sources] of Object.entries(GENERATED)) {
    execFileSync(
      process.execPath,
      [
        pbjs,
        ...['--target=static-module', '--wrap=esm', '--dependency=protobufjs/minimal.js', '--dts', ...left],
        ...[
          '--path=proto',
          `--root=${name}`,
          `--out=proto/generated/${name}.js`,
          ...sources.map((source) => `proto/${source}.proto`),
        ],
      ],
      { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
    );
  }
}

if (process.argv[1] === import.meta.filename) generateMessages();

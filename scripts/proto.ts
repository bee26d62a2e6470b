/** Generates proto/generated/messages.js and its types from proto/*.proto: what the daemon speaks to Sensor and container runtimes with. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);

/** @throws Error when a .proto file is wrong; pbjs has then said where on standard error */
export function generateMessages(): void {
  const pbjs = createRequire(import.meta.url).resolve('protobufjs-cli/bin/pbjs');
  mkdirSync(path.join(root, 'proto/generated'), { recursive: true });
  const left = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'service'].map(
    (part) => `--no-${part}`,
  );
  execFileSync(
    process.execPath,
    [
      pbjs,
      ...['--target=static-module', '--wrap=esm', '--dependency=protobufjs/minimal.js', '--dts', ...left],
      ...['--path=proto', '--out=proto/generated/messages.js', 'proto/sensor.proto', 'proto/cri.proto'],
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

if (process.argv[1] === import.meta.filename) generateMessages();

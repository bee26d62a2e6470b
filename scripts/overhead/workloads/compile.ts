import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { finish } from '../process.js';
import type { Work, Workload } from '../workload.js';

const FILES = 12;
const FUNCTIONS = 12;
/** Programs started for a file, at the least: make's shell is left out, gcc's parts are in. */
const EXECS_OF_FILE = 2;

export const compile: Workload = {
  name: 'compile',
  title: 'compile of a C file (make, gcc)',
  packages: ['gcc', 'make'],
  events: { execs: EXECS_OF_FILE },
  async start(site, place) {
    const { client } = site.spots(place);
    const project = path.join(site.workshop.folder, `project-${place}`);
    writeProject(project);
    const make = [
      'make',
      '--silent',
      '--always-make',
      `--jobs=${os.availableParallelism()}`,
      '-C',
      project,
    ] as const;
    const build = async (): Promise<Work> => {
      const start = performance.now();
      await finish(make, site.stop, client);
      return { operations: FILES, elapsed: (performance.now() - start) * 1e6 };
    };
    await build();
    return {
      run: async (seconds) => {
        let [operations, elapsed] = [0, 0];
        do {
          const one = await build();
          operations += one.operations;
          elapsed += one.elapsed;
        } while (elapsed < seconds * 1e9);
        return { operations, elapsed };
      },
      stop: () => Promise.resolve(),
    };
  },
};

/** A program of a few files, each with some functions to optimise. */
function writeProject(folder: string): void {
  mkdirSync(folder);
  const numbers = Array.from({ length: FILES }, (_, file) => file);
  for (const file of numbers) writeFileSync(path.join(folder, `part${file}.c`), sourceText(file));
  const calls = numbers.map((file) => `part${file}_0(count, arguments)`);
  const declared = numbers.map((file) => `int part${file}_0(int, char **);`);
  writeFileSync(
    path.join(folder, 'main.c'),
    `${declared.join('\n')}\nint main(int count, char **arguments)\n{\n    return ${calls.join(' ^ ')};\n}\n`,
  );
  const objects = ['main', ...numbers.map((file) => `part${file}`)].map((name) => `${name}.o`).join(' ');
  writeFileSync(
    path.join(folder, 'Makefile'),
    `CFLAGS = -O2\nprogram: ${objects}\n\t$(CC) -o $@ ${objects}\n`,
  );
}

function sourceText(file: number): string {
  const functions = Array.from({ length: FUNCTIONS }, (_, number) => {
    const next = number + 1 < FUNCTIONS ? `part${file}_${number + 1}(count + 1, arguments)` : 'count';
    return `int part${file}_${number}(int count, char **arguments)
{
    int sum = ${number};
    for (int i = 0; i < count; i++)
        for (const char *c = arguments[i]; *c; c++)
            sum = sum * ${31 + number} + (*c ^ ${file});
    if (sum % 7 == ${number % 7})
        printf("%d %s\\n", sum, arguments[0]);
    return sum + ${next};
}
`;
  });
  return `#include <stdio.h>\n#include <stdlib.h>\n\n${functions.reverse().join('\n')}`;
}

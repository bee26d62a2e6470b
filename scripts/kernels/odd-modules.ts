import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildModule, readHeaders } from '../module.js';

const VERSION = '0';

/**
 * Makes modules for Collector to refuse, each in a folder of its name below `storage`: one with another layout of its
 * records, one of somebody else, and one for another kernel.
 * @param headers the kernel's build folder
 * @param compiler the program to build them by; undefined for the kernel's own
 */
export function makeOddModules(storage: string, headers: string, compiler?: string): void {
  const kernel = readHeaders(headers);
  const odd = {
    'other-layout': buildModule(kernel, VERSION, compiler, changeLayout).bytes,
    foreign: buildModule(kernel, VERSION, compiler, replaceModule).bytes,
    'other-release': forAnotherKernel(buildModule(kernel, VERSION, compiler).bytes),
  };
  for (const [name, bytes] of Object.entries(odd)) {
    mkdirSync(path.join(storage, name));
    writeFileSync(path.join(storage, name, `collector-${kernel.release}.ko`), bytes);
  }
}

function changeLayout(sources: string): void {
  const file = path.join(sources, 'native/bpf/layout.h');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/LAYOUT_VERSION = \d+/, 'LAYOUT_VERSION = 9999'));
}

function replaceModule(sources: string): void {
  const folder = path.join(sources, 'native/module');
  copyFileSync(path.join(import.meta.dirname, 'foreign.c'), path.join(folder, 'collector.c'));
  writeFileSync(path.join(folder, 'Kbuild'), 'obj-m := collector.o\n');
}

/** Changes the words of a module about its kernel: of a kernel with versions of symbols, only the last ones count. */
function forAnotherKernel(module: Buffer): Buffer {
  const text = module.toString('latin1');
  return Buffer.from(text.replace(/(vermagic=)\d(\S+ )SMP/, '$10$2UMP'), 'latin1');
}

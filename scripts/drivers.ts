/**
 * Makes drivers as Sensor, a mirror or local storage has them: `npm run drivers -- [--out=FOLDER] [RELEASE=]FILE…
 * HEADERS…`.
 *
 * For kernels without types of their own (BTF), a FILE is a kernel's types (raw BTF, from BTFHub for example, named
 * <release>.btf or given with a release), or an image: vmlinux, or vmlinuz packed by gzip, xz or zstd. For the kernel
 * module, HEADERS is a folder of kernel headers, such as /lib/modules/<release>/build; the environment variable CC
 * names the compiler, the kernel's own by default.
 *
 * FOLDER (.cache/drivers) gets MODULE_VERSION.txt and <version>/ with the archives for each kernel and SHA256SUMS.
 * Sensor serves it as /kernel-objects, and MODULE_DOWNLOAD_BASE_URL names it; local storage has the files of <version>
 * beside MODULE_VERSION.txt. The version is of the object and of the module's sources, so drivers of other ones are not
 * used. Archives newer than their file are left as they are.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { driverFiles } from '../actors/drivers/names.js';
import { kernelName } from '../actors/settings/parser.js';
import { command } from './command.js';
import { buildModule, moduleSources, readHeaders } from './module.js';

const root = path.dirname(import.meta.dirname);
const OBJECT = path.join(root, 'native/build/collector-without-btf.bpf.o');
const DIGITS = 12;

/** Magic numbers: BTF_MAGIC of linux/btf.h, an ELF file, and the archives for images. */
const BTF = Buffer.from([0x9f, 0xeb]);
const ELF = Buffer.from('\x7fELF', 'latin1');
const ARCHIVES = [
  { magic: Buffer.from([0x1f, 0x8b, 0x08]), unpack: gunzipSync },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), unpack: by('xz', '--single-stream') },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), unpack: by('zstd') },
] as const;

/** A kernel to make a driver for. */
interface Kernel {
  readonly release: string;
  readonly file: string;
  /** The file with its types, if it had to be looked at for the release. */
  readonly image?: Buffer;
}

await command(main);

/** @returns whether there is a driver for each kernel now */
async function main(words: readonly string[]): Promise<boolean> {
  const options = words.filter((word) => word.startsWith('--'));
  const strange = options.find((option) => !option.startsWith('--out='));
  if (strange !== undefined)
    throw new Error(`Bad argument '${strange}' (allowed: --out=FOLDER, [RELEASE=]FILE, HEADERS)`);
  const files = words.filter((word) => !word.startsWith('--'));
  if (files.length === 0)
    throw new Error('usage: npm run drivers -- [--out=FOLDER] [RELEASE=]FILE… HEADERS…');

  const object = readFileSync(OBJECT);
  const out = path.resolve(options.at(-1)?.slice('--out='.length) ?? path.join(root, '.cache/drivers'));
  const version = driverVersion(object);
  const folder = path.join(out, version);
  mkdirSync(folder, { recursive: true });
  const driver = gzipSync(object);
  const waiting = [...files.entries()];
  let made = 0;
  const work = async (): Promise<void> => {
    for (let next; (next = waiting.shift()) !== undefined;) {
      const [place, word] = next;
      const progress = `[${place + 1}/${files.length}]`;
      try {
        console.log(`${progress} ${await make(word, folder, driver)}`);
        made++;
      } catch (error) {
        console.error(`${progress} ${word}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  writeSums(folder);
  writeFileSync(path.join(out, 'MODULE_VERSION.txt'), `${version}\n`);
  console.log(`${made} of ${files.length} drivers of version ${version} are in ${out}`);
  return made === files.length;
}

function collectorVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

/** The version of Collector, and one of the object and of the module's sources. */
function driverVersion(object: Uint8Array): string {
  return `${collectorVersion()}-${sha256(Buffer.concat([object, moduleSources()])).slice(0, DIGITS)}`;
}

/** Makes the files of a kernel's driver, unless they are newer than their source. @returns a line about it */
async function make(word: string, folder: string, driver: Uint8Array): Promise<string> {
  if (statSync(word, { throwIfNoEntry: false })?.isDirectory() === true) return makeModule(word, folder);
  const kernel = kernelIn(word);
  const [object, types] = driverFiles('ebpf', kernel.release, '', false).map((file) =>
    path.join(folder, `${file.object}.gz`),
  ) as [string, string];
  const isDone = [object, types].every(
    (file) => existsSync(file) && statSync(file).mtimeMs > statSync(kernel.file).mtimeMs,
  );
  if (isDone) return `${kernel.release}: is there`;
  const scratch = mkdtempSync(path.join(tmpdir(), 'collector-driver-'));
  try {
    const [all, needed] = [path.join(scratch, 'all'), path.join(scratch, 'needed')];
    writeFileSync(all, kernel.image ?? unpackedKernel(readFileSync(kernel.file)));
    await promisify(execFile)('bpftool', ['gen', 'min_core_btf', all, needed, OBJECT]);
    put(types, gzipSync(readFileSync(needed)));
    put(object, driver);
    return `${kernel.release}: ${Math.ceil(statSync(needed).size / 1024)} KiB of types`;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Makes the kernel module for the headers in a folder. @returns a line about it */
function makeModule(word: string, folder: string): string {
  const headers = readHeaders(word);
  const [{ object } = { object: '' }] = driverFiles('kernel_module', headers.release, '', false);
  const archive = path.join(folder, `${object}.gz`);
  if (existsSync(archive) && statSync(archive).mtimeMs > statSync(path.join(word, 'Makefile')).mtimeMs)
    return `${headers.release}: the module is there`;
  const { bytes, compiler } = buildModule(headers, collectorVersion(), process.env['CC']);
  put(archive, gzipSync(bytes));
  const differs =
    headers.compiler === undefined || headers.compiler === compiler
      ? ''
      : `; the kernel by ${headers.compiler}`;
  return `${headers.release}: a module of ${Math.ceil(bytes.length / 1024)} KiB, built by ${compiler}${differs}`;
}

/** Nobody sees half a file. */
function put(file: string, bytes: Uint8Array): void {
  writeFileSync(`${file}.part`, bytes);
  renameSync(`${file}.part`, file);
}

/** @throws Error if there is no file of this name, or its kernel has no name */
function kernelIn(word: string): Kernel {
  const [, given, file = word] = /^([^=/]+)=(.+)$/s.exec(word) ?? [];
  const isNamed = given !== undefined || file.endsWith('.btf');
  const image = isNamed ? undefined : unpackedKernel(readFileSync(file));
  const name = image === undefined ? (given ?? path.basename(file, '.btf')) : releaseIn(image);
  if (name === undefined) throw new Error('it does not say which kernel it is of: give RELEASE=FILE');
  const parsed = kernelName.parse(name);
  if ('bad' in parsed) throw new Error(`'${name}' is no release of a kernel`);
  return { release: parsed.value, file, ...(image && { image }) };
}

function releaseIn(image: Buffer): string | undefined {
  return /Linux version (\S+) \(/.exec(image.toString('latin1'))?.[1];
}

/** Raw BTF or vmlinux as they are, else the vmlinux packed in an image. */
function unpackedKernel(file: Buffer): Buffer {
  if (file.subarray(0, BTF.length).equals(BTF) || file.subarray(0, ELF.length).equals(ELF)) return file;
  for (const { magic, unpack } of ARCHIVES) {
    for (let at = file.indexOf(magic); at >= 0; at = file.indexOf(magic, at + 1)) {
      const image = attempt(() => unpack(file.subarray(at)));
      if (image?.subarray(0, ELF.length).equals(ELF) === true) return image;
    }
  }
  throw new Error('it is neither BTF nor a kernel image that is packed by gzip, xz or zstd');
}

/** Bytes after the archive in an image are no part of it: a program complains of them, and has unpacked by then. */
function by(program: string, ...options: readonly string[]): (bytes: Uint8Array) => Buffer {
  return (bytes) => {
    const { stdout, error } = spawnSync(program, ['--decompress', '--stdout', ...options], {
      input: bytes,
      maxBuffer: 1024 * 1024 * 1024,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    if (error !== undefined && 'code' in error && error.code === 'ENOENT')
      throw new Error(`the program ${program} is not installed, by which the image is packed`);
    return stdout;
  };
}

/** Undefined for bytes with only the look of an archive. */
function attempt(unpack: () => Buffer): Buffer | undefined {
  try {
    return unpack();
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) return undefined;
    throw error;
  }
}

/** Of all archives there are, as sha256sum(1) checks them. */
function writeSums(folder: string): void {
  const names = readdirSync(folder).filter((name) => name.endsWith('.gz'));
  const lines = names.map((name) => `${sha256(readFileSync(path.join(folder, name)))}  ${name}\n`);
  put(path.join(folder, 'SHA256SUMS'), Buffer.from(lines.join('')));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

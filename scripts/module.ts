import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
/** The sources of the kernel module; native/bpf has the headers shared with the BPF programs. */
const SOURCES = ['native/module', 'native/bpf'];

/** The headers of a kernel, or its build folder, /lib/modules/<release>/build. */
export interface KernelHeaders {
  readonly release: string;
  readonly folder: string;
  /** The first line of the compiler's --version that built the kernel, as far as the headers say it. */
  readonly compiler?: string;
}

/** @throws Error if the folder is no kernel's build folder */
export function readHeaders(folder: string): KernelHeaders {
  const release = text(folder, 'include/generated/utsrelease.h', /UTS_RELEASE "(.+)"/);
  if (release === undefined || !existsSync(path.join(folder, 'Makefile')))
    throw new Error('it is not a folder of kernel headers, such as /lib/modules/<release>/build');
  // Before 5.8 the configuration has the number alone.
  const number = text(folder, 'include/config/auto.conf', /^CONFIG_GCC_VERSION=(\d+)\d{4}$/m);
  const compiler =
    text(folder, 'include/config/auto.conf', /^CONFIG_CC_VERSION_TEXT="(.*)"$/m) ??
    text(folder, '.config', /^CONFIG_CC_VERSION_TEXT="(.*)"$/m) ??
    (number === undefined ? undefined : `gcc-${number}`);
  return { release, folder: path.resolve(folder), ...(compiler !== undefined && { compiler }) };
}

function text(folder: string, file: string, pattern: RegExp): string | undefined {
  const place = path.join(folder, file);
  return existsSync(place) ? pattern.exec(readFileSync(place, 'utf8'))?.[1] : undefined;
}

/** All sources of the module, in one: another text is another module. */
export function moduleSources(): Buffer {
  return Buffer.concat(
    SOURCES.flatMap((folder) =>
      readdirSync(path.join(root, folder))
        .sort()
        .map((file) => readFileSync(path.join(root, folder, file))),
    ),
  );
}

/** A built module. */
export interface BuiltModule {
  readonly bytes: Buffer;
  /** The first line of the --version of the compiler that built it. */
  readonly compiler: string;
}

/**
 * Builds the kernel module by the kernel's own build, with debug information left out.
 * @param version the version of Collector
 * @param compiler the program; by default the kernel's own
 * @param change changes the sources in a folder before the build
 * @throws Error with the compiler that the headers ask for, if it is not there; with the build's output, if it fails
 */
export function buildModule(
  headers: KernelHeaders,
  version: string,
  compiler?: string,
  change: (sources: string) => void = () => undefined,
): BuiltModule {
  const program = compiler ?? headers.compiler?.split(' ')[0] ?? 'gcc';
  const itsVersion = versionOf(program);
  if (itsVersion === undefined)
    throw new Error(
      `${headers.release} was built by ${headers.compiler ?? 'an unknown compiler'}, and there is no ${program}: ` +
        'install it, or name a compiler by the environment variable CC',
    );
  const scratch = mkdtempSync(path.join(tmpdir(), 'collector-module-'));
  try {
    // The kernel's build writes beside the sources.
    for (const folder of SOURCES)
      cpSync(path.join(root, folder), path.join(scratch, folder), { recursive: true });
    change(scratch);
    const built = path.join(scratch, 'native/module');
    run('make', [
      '--silent',
      `--directory=${headers.folder}`,
      `M=${built}`,
      `CC=${program}`,
      `COLLECTOR_VERSION=${version}`,
      'modules',
    ]);
    const file = path.join(built, 'collector.ko');
    run('strip', ['--strip-debug', file]);
    return { bytes: readFileSync(file), compiler: itsVersion };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function versionOf(program: string): string | undefined {
  try {
    return execFileSync(program, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** @throws Error with what the program said */
function run(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr = '', message } = error as Error & { readonly stderr?: string };
    throw new Error(stderr.trim() || message, { cause: error });
  }
}

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beginDownloads, Debian, isUnpacked, unpackAll, type Architecture } from './debian.js';

/** Debian's suites by their kernels, with the kernels' names here. */
const suites = { '5.10': 'bullseye', '6.1': 'bookworm', '6.12': 'trixie', newest: 'sid' } as const;

/** A package of Ubuntu's, below its folder of kernels. */
interface Package {
  readonly file: string;
  readonly sha256: string;
}

/** Ubuntu's packages of kernels no longer in Debian; of each the first or the last, as it does not change. */
const packages = {
  '5.4': {
    file: 'linux-signed/linux-image-5.4.0-26-generic_5.4.0-26.30_amd64.deb',
    sha256: '5f619f3d9123f40603a164c6358fdcb1485b742c9bf497099bcc642076e0e782',
  },
  '5.11': {
    file: 'linux-signed-hwe-5.11/linux-image-5.11.0-46-generic_5.11.0-46.51~20.04.1_amd64.deb',
    sha256: '8a1842a829475293dd03802c836a23b8f7152e6a1c20312968b2460fd31e0748',
  },
  '5.13': {
    file: 'linux-signed-hwe-5.13/linux-image-5.13.0-52-generic_5.13.0-52.59~20.04.1_amd64.deb',
    sha256: '49547cc00a1ff35a15d204869fd5720edb298a2800a7cca044b1292e742258fb',
  },
  '5.15': {
    file: 'linux-signed-hwe-5.15/linux-image-5.15.0-139-generic_5.15.0-139.149~20.04.1_amd64.deb',
    sha256: 'ebe14721bc583637434841710fb0dd019df3745c6cbe8b932b83146f6809b7fd',
  },
  '5.19': {
    file: 'linux-signed-hwe-5.19/linux-image-5.19.0-50-generic_5.19.0-50.50_amd64.deb',
    sha256: '3870903c517de262300e6afeafc0ad41aba348be7f96ee258d13856e9dbe3665',
  },
} as const;

/** Headers of Ubuntu's kernels, and Debian's suite with their compiler. */
const headerPackages: Readonly<
  Record<string, { readonly files: readonly Package[]; readonly suite: string }>
> = {
  '5.4': {
    files: [
      {
        file: 'linux/linux-headers-5.4.0-26_5.4.0-26.30_all.deb',
        sha256: '53a1df3f0c1a492ec639de579b093313b915ad640448b40f8152a980bc63e710',
      },
      {
        file: 'linux/linux-headers-5.4.0-26-generic_5.4.0-26.30_amd64.deb',
        sha256: '891892f111687493b7305c4deada037a280d25ef1e2699f90dee99b924b6edee',
      },
    ],
    suite: 'bullseye',
  },
};
/** The compiler of Ubuntu's kernels with headers above. */
const UBUNTU_COMPILER = 'gcc-9';

export const kernelNames = [...Object.keys(suites), ...Object.keys(packages)];
export type KernelName = keyof typeof suites | keyof typeof packages;

/** Files of a kernel. */
export interface KernelFiles {
  /** vmlinuz. */
  readonly image: string;
  /** The module of FUSE, maybe packed; undefined if it is built in, or the kernel came without modules. */
  readonly fuse?: string;
}

/** What it takes to build a module for a kernel. */
export interface BuildFiles {
  /** The folder of its headers. */
  readonly headers: string;
  /** The compiler that built it; undefined if this machine has it. */
  readonly compiler?: string;
}

const UBUNTU = 'http://archive.ubuntu.com/ubuntu/pool/main/l';

/**
 * Fetches a kernel from its distribution, beside the machine's own package manager.
 * @param cache folder to keep it in
 * @throws Error if the distribution has none for this architecture
 */
export async function fetchKernel(name: KernelName, arch: Architecture, cache: string): Promise<KernelFiles> {
  const folder = path.join(cache, name, arch);
  const known = existsSync(folder) ? filesIn(folder) : undefined;
  if (known !== undefined) return known;
  beginDownloads(folder);
  if (name in suites) downloadFromDebian(suites[name as keyof typeof suites], arch, folder);
  else await downloadFromUbuntu(packages[name as keyof typeof packages], arch, folder);
  unpackAll(folder);
  const found = filesIn(folder);
  if (found === undefined) throw new Error(`The packages of ${name} for ${arch} have no kernel.`);
  return found;
}

/**
 * Fetches the headers of a kernel, and its compiler unless this machine has it.
 * @param files the kernel
 * @param cache as `fetchKernel`
 * @throws Error if there are none, or Debian has those of a newer kernel alone
 */
export async function fetchHeaders(
  name: string,
  { image }: KernelFiles,
  arch: Architecture,
  cache: string,
): Promise<BuildFiles> {
  const release = path.basename(image).replace('vmlinuz-', '');
  const folder = path.join(cache, name, arch, 'headers');
  const headers = path.join(folder, 'root/usr/src', `linux-headers-${release}`);
  if (!isUnpacked(folder)) {
    beginDownloads(folder);
    const suite = suites[name as keyof typeof suites] as string | undefined;
    const ubuntu = headerPackages[name];
    if (suite !== undefined) downloadDebianHeaders(suite, release, arch, folder);
    else if (ubuntu !== undefined) await downloadUbuntuHeaders(ubuntu, arch, folder);
    else throw new Error(`There are no headers for ${name}.`);
    unpackAll(folder);
  }
  // Each time: the cache may have moved since.
  relocate(path.join(headers, 'Makefile'), path.dirname(headers));
  const programs = path.join(folder, 'root/usr/bin');
  const compiler = existsSync(programs)
    ? readdirSync(programs).find((file) => /^gcc-\d+$/.test(file))
    : undefined;
  return { headers, ...(compiler !== undefined && { compiler: path.join(programs, compiler) }) };
}

function downloadDebianHeaders(suite: string, release: string, arch: Architecture, folder: string): void {
  const debian = new Debian(suite, arch, folder);
  const packages = debian.dependencies(`linux-headers-${release}`);
  const compiler = packages.map((one) => /^linux-compiler-(gcc-\d+)/.exec(one)?.[1]).find((one) => one);
  const parts = packages.filter((one) => /^linux-(headers|kbuild)-/.test(one));
  if (parts.length === 0)
    throw new Error(`Debian has no headers for ${release} any more: remove ${path.dirname(folder)}`);
  debian.download(`linux-headers-${release}`, ...parts);
  if (compiler !== undefined && !isInstalled(compiler)) debian.download(...compilerPackages(compiler));
}

async function downloadUbuntuHeaders(
  { files, suite }: { readonly files: readonly Package[]; readonly suite: string },
  arch: Architecture,
  folder: string,
): Promise<void> {
  for (const file of files) await downloadFromUbuntu(file, arch, folder);
  if (!isInstalled(UBUNTU_COMPILER))
    new Debian(suite, arch, folder).download(...compilerPackages(UBUNTU_COMPILER));
}

/** Debian's headers include others by their place in the file system: moves it below another folder. */
function relocate(makefile: string, folder: string): void {
  const text = readFileSync(makefile, 'utf8');
  const moved = text.replaceAll(/^include \/.*\/(?=linux-headers-)/gm, `include ${folder}/`);
  if (moved !== text) writeFileSync(makefile, moved);
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(path.join(folder, program)));
}

/** Its libraries are this machine's own. */
function compilerPackages(compiler: string): readonly string[] {
  const version = compiler.replace('gcc-', '');
  return [compiler, `cpp-${version}`, `${compiler}-base`, `libgcc-${version}-dev`];
}

function downloadFromDebian(suite: string, arch: Architecture, folder: string): void {
  const debian = new Debian(suite, arch, folder);
  const image = debian.dependencies(`linux-image-${arch}`).find((name) => /^linux-image-\d/.test(name));
  if (image === undefined) throw new Error(`Debian ${suite} has no kernel for ${arch}.`);
  // From 6.19 on an image is split into packages, on which linux-image depends.
  const parts = debian.dependencies(image).filter((name) => /^linux-(binary|modules)-\d/.test(name));
  debian.download(image, ...parts);
}

async function downloadFromUbuntu(
  { file, sha256 }: Package,
  arch: Architecture,
  folder: string,
): Promise<void> {
  if (arch !== 'amd64') throw new Error(`Ubuntu's ${path.basename(file)} is for amd64, not ${arch}.`);
  const response = await fetch(`${UBUNTU}/${file}`);
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new Error(`${response.url} is not the file that it was.`);
  writeFileSync(path.join(folder, path.basename(file)), bytes);
}

/** /boot/vmlinuz-<release>, or vmlinuz in the folder of the modules. */
function filesIn(folder: string): KernelFiles | undefined {
  const root = path.join(folder, 'root');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const find = (pattern: RegExp) => {
    const file = files.find((name) => pattern.test(name));
    return file === undefined ? undefined : path.join(root, file);
  };
  const image = find(/(^|\/)vmlinuz[^/]*$/);
  const fuse = find(/\/fs\/fuse\/fuse\.ko(\.xz)?$/);
  return image === undefined ? undefined : { image, ...(fuse !== undefined && { fuse }) };
}

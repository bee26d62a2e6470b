import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Debian's suites by their kernels, with the kernels' names here. */
const suites = { '5.10': 'bullseye', '6.1': 'bookworm', '6.12': 'trixie', newest: 'sid' } as const;

/** Ubuntu's packages of kernels no longer in Debian; the last of each, as it does not change. */
const packages = {
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

export const kernelNames = [...Object.keys(suites), ...Object.keys(packages)];
export type KernelName = keyof typeof suites | keyof typeof packages;
export type Architecture = 'amd64' | 'arm64';

/** Files of a kernel. */
export interface KernelFiles {
  /** vmlinuz. */
  readonly image: string;
  /** The module of FUSE, maybe packed; undefined if it is built in, or the kernel came without modules. */
  readonly fuse?: string;
}

const DEBIAN = 'http://deb.debian.org/debian';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
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
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'root'), { recursive: true });
  if (name in suites) downloadFromDebian(suites[name as keyof typeof suites], arch, folder);
  else await downloadFromUbuntu(packages[name as keyof typeof packages], arch, folder);
  for (const file of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
    execFileSync('dpkg', ['-x', file, 'root'], { cwd: folder });
    rmSync(path.join(folder, file));
  }
  const found = filesIn(folder);
  if (found === undefined) throw new Error(`The packages of ${name} for ${arch} have no kernel.`);
  return found;
}

function downloadFromDebian(suite: string, arch: Architecture, folder: string): void {
  for (const part of ['lists/partial', 'archives/partial'])
    mkdirSync(path.join(folder, part), { recursive: true });
  const sources = path.join(folder, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${DEBIAN} ${suite} main\n`);
  const options = {
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Sandbox::User': 'root',
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': path.join(folder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': folder,
  };
  const flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { encoding: 'utf8', cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  run('apt-get', '-qq', ...flags, 'update');
  const depends = (name: string, pattern: RegExp) =>
    pattern.exec(run('apt-cache', ...flags, 'depends', name))?.[0];
  const image = depends(`linux-image-${arch}`, /linux-image-\d[^\s,]*/);
  if (image === undefined) throw new Error(`Debian ${suite} has no kernel for ${arch}.`);
  // From 6.19 on an image is split into packages, on which linux-image depends.
  const parts = [depends(image, /linux-binary-\d[^\s,]*/), depends(image, /linux-modules-\d[^\s,]*/)];
  run('apt-get', '-qq', ...flags, 'download', image, ...parts.filter((part) => part !== undefined));
}

async function downloadFromUbuntu(
  { file, sha256 }: { readonly file: string; readonly sha256: string },
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

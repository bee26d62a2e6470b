import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Debian's suites by the kernels that they have, and what those are called here. */
export const suites = { '5.10': 'bullseye', '6.1': 'bookworm', '6.12': 'trixie', newest: 'sid' } as const;
export type KernelName = keyof typeof suites;
export type Architecture = 'amd64' | 'arm64';

const MIRROR = 'http://deb.debian.org/debian';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Fetches a kernel of Debian's, with package lists of its own: the machine's package manager is left as it is.
 * @param cache folder to keep it in
 * @returns path of its image
 */
export function fetchKernel(name: KernelName, arch: Architecture, cache: string): string {
  const folder = path.join(cache, name, arch);
  const known = existsSync(folder) ? imageIn(folder) : undefined;
  if (known !== undefined) return known;
  rmSync(folder, { recursive: true, force: true });
  for (const part of ['lists/partial', 'archives/partial', 'root'])
    mkdirSync(path.join(folder, part), { recursive: true });
  const sources = path.join(folder, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${MIRROR} ${suites[name]} main\n`);
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
  // From 6.19 on the image of a kernel is in a package of its own, on which linux-image depends.
  const [image] =
    /linux-image-\d[^\s,]*/.exec(run('apt-cache', ...flags, 'depends', `linux-image-${arch}`)) ?? [];
  if (image === undefined) throw new Error(`Debian ${suites[name]} has no kernel for ${arch}.`);
  const [binary] = /linux-binary-\d[^\s,]*/.exec(run('apt-cache', ...flags, 'depends', image)) ?? [];
  run('apt-get', '-qq', ...flags, 'download', binary ?? image);
  for (const file of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
    run('dpkg', '-x', file, 'root');
    rmSync(path.join(folder, file));
  }
  const found = imageIn(folder);
  if (found === undefined)
    throw new Error(`There is no kernel in ${binary ?? image} of Debian ${suites[name]}.`);
  return found;
}

/** /boot/vmlinuz-<release>, or vmlinuz in the folder of the modules. */
function imageIn(folder: string): string | undefined {
  const files = readdirSync(path.join(folder, 'root'), { recursive: true, encoding: 'utf8' });
  const image = files.find((file) => /(^|\/)vmlinuz[^/]*$/.test(file));
  return image === undefined ? undefined : path.join(folder, 'root', image);
}

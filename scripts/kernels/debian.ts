import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export type Architecture = 'amd64' | 'arm64';

export function ownArchitecture(): Architecture {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

const DEBIAN = 'http://deb.debian.org/debian';
/** Marks a folder with everything unpacked. */
const UNPACKED = 'unpacked';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The packages of a suite, beside this machine's package manager. */
export class Debian {
  readonly #folder: string;
  readonly #flags: readonly string[];

  /** @param folder for lists, and for what is downloaded */
  constructor(suite: string, arch: Architecture, folder: string) {
    this.#folder = folder;
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
    this.#flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    this.#run('apt-get', '-qq', ...this.#flags, 'update');
  }

  /** The names of the packages that one depends on. */
  dependencies(name: string): readonly string[] {
    const lines = this.#run('apt-cache', ...this.#flags, 'depends', name).split('\n');
    return lines.flatMap((line) => /Depends: (\S+)/.exec(line)?.[1] ?? []);
  }

  /** The archives are in the folder then. */
  download(...names: readonly string[]): void {
    this.#run('apt-get', '-qq', ...this.#flags, 'download', ...names);
  }

  #run(command: string, ...args: string[]): string {
    return execFileSync(command, args, {
      encoding: 'utf8',
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

/** Whether `unpackAll` has come to its end in this folder. */
export function isUnpacked(folder: string): boolean {
  return existsSync(path.join(folder, UNPACKED));
}

/** Makes a folder for downloads, empty. */
export function beginDownloads(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'root'), { recursive: true });
}

/** Unpacks the archives in a folder into `root` there. */
export function unpackAll(folder: string): void {
  for (const file of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
    execFileSync('dpkg', ['-x', file, 'root'], { cwd: folder });
    rmSync(path.join(folder, file));
  }
  writeFileSync(path.join(folder, UNPACKED), '');
}

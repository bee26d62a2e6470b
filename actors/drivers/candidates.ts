import { readFileSync } from 'node:fs';
import { release, version } from 'node:os';
import { kernelName } from '../settings/parser.js';

/** A node's texts about its kernel and its distribution, unchanged. */
export interface KernelIdentity {
  /** `uname -r` */
  readonly release: string;
  /** `uname -v` */
  readonly version: string;
  /** The host's os-release file; empty if it has none. */
  readonly osRelease: string;
  /** The host's /etc/VERSION, with Minikube's version; empty if it has none. */
  readonly minikubeVersion: string;
}

const UBUNTU_BACKPORTS = ['~16.04', '~20.04'];
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/**
 * The names a driver for this kernel may have, best first, each fit to stand in the name of a file. Distributions with
 * different kernels of the same release have names of their own.
 * @param configured KERNEL_CANDIDATES; wins over all names made from the host
 */
export function kernelCandidates(
  identity: KernelIdentity,
  configured: readonly string[] = [],
): readonly string[] {
  if (configured.length > 0) return configured;
  const { release } = identity;
  const backports = UBUNTU_BACKPORTS.filter((mark) => identity.version.includes(mark));
  const names = [
    ...backports.map((mark) => `${release}${mark}`),
    gardenLinux(identity),
    containerOptimized(identity) ?? dockerDesktop(identity) ?? release,
    minikube(identity),
  ];
  return names.filter((name) => name !== undefined).filter((name) => 'value' in kernelName.parse(name));
}

/**
 * Reads the host's texts. Throws nothing: an unreadable text is empty.
 * @param hostRoot where the host's root is mounted, without a slash at its end; empty on the host itself
 */
export function readKernelIdentity(hostRoot: string): KernelIdentity {
  return {
    release: release(),
    version: version(),
    osRelease: readIfThere(`${hostRoot}/etc/os-release`) || readIfThere(`${hostRoot}/usr/lib/os-release`),
    minikubeVersion: readIfThere(`${hostRoot}/etc/VERSION`),
  };
}

/** Garden Linux changes its kernel without changing the release; the version names the package. */
function gardenLinux({ release, version, osRelease }: KernelIdentity): string | undefined {
  if (!field(osRelease, 'PRETTY_NAME').startsWith('Garden Linux')) return undefined;
  const [built] = /\d+\.\d+\.\d+-\w+/.exec(version) ?? [];
  return built && `${release}-gl-${built}`;
}

/** Google's Container-Optimized OS distinguishes its kernels by the build of the system. */
function containerOptimized({ release, osRelease }: KernelIdentity): string | undefined {
  const id = field(osRelease, 'ID');
  const build = field(osRelease, 'BUILD_ID');
  return id === 'cos' && build !== '' ? `${release.replace(/\+$/, '')}-${build}-${id}` : undefined;
}

/** Docker Desktop has the same release for different builds; they differ in their build times. */
function dockerDesktop({ release, version, osRelease }: KernelIdentity): string | undefined {
  if (field(osRelease, 'PRETTY_NAME') !== 'Docker Desktop') return undefined;
  const number = releaseNumber(release);
  const time = buildTime(version);
  return number && time && `${number}-dockerdesktop-${time}`;
}

/** Minikube's virtual machine has a plain kernel of kernel.org, with other options in each version. */
function minikube({ release, minikubeVersion }: KernelIdentity): string | undefined {
  const number = releaseNumber(release);
  const [own] = /\bv\d+\.\d+\.\d+/.exec(minikubeVersion) ?? [];
  return number && own && `${number}-minikube-${own}`;
}

/** The x.y.z at the start of a release. */
function releaseNumber(release: string): string | undefined {
  return /^\d+\.\d+\.\d+/.exec(release)?.[0];
}

/** The time at the end of `uname -v` (`Mon Nov 8 10:21:19 UTC 2021`) as YYYY-MM-DD-HH-MM-SS. */
function buildTime(version: string): string | undefined {
  const [, month = '', day = '', clock = '', year = ''] =
    /([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (?:[A-Z]+ )?(\d{4})$/.exec(version) ?? [];
  const number = MONTHS.indexOf(month) + 1;
  if (number === 0) return undefined;
  return `${year}-${String(number).padStart(2, '0')}-${day.padStart(2, '0')}-${clock.replaceAll(':', '-')}`;
}

/** The value of a key in an os-release file, without its quotes; empty if it is not there. */
function field(osRelease: string, key: string): string {
  const [, quoted, plain = ''] = new RegExp(`^${key}=(?:["'](.*)["']|(.*?))\\s*$`, 'm').exec(osRelease) ?? [];
  return quoted ?? plain;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

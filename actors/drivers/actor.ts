import type { TlsMaterial } from '../sensor/tls.js';
import { splitHostPort } from '../settings/host-port.js';
import type { Settings } from '../settings/table.js';
import type { Log } from '../telemetry/log.js';
import { kernelCandidates, readKernelIdentity, type KernelIdentity } from './candidates.js';
import type { Peer } from './connection.js';
import { download, TIMINGS, type DriverServer, type Timings, type FailedDownload } from './download.js';
import type { AbsentDriver, DriverLocation, LocalDriver } from './location.js';
import { driverFiles, type DriverFile } from './names.js';
import { noDriver } from './no-driver.js';
import { moduleVersion, takeFromStorage, type UnusableFile } from './storage.js';
import { DriverProblem } from './problem.js';
import { removeLeftovers } from './unpack.js';

export type { AbsentDriver, DriverLocation, LocalDriver };

type DriverSettings = Pick<
  Settings,
  | 'collectionMethod'
  | 'grpcServer'
  | 'hostRoot'
  | 'kernelCandidates'
  | 'kernelModulesDir'
  | 'moduleDir'
  | 'moduleDownloadBaseUrl'
  | 'sniHostname'
>;

export interface FindOptions {
  readonly settings: DriverSettings;
  readonly log: Log;
  /** Stops it at once. */
  readonly signal: AbortSignal;
  /** Whether the kernel gives its types (BTF): then no driver has to bring them. */
  readonly hasTypes: boolean;
  /** Default: of this node. */
  readonly kernel?: () => KernelIdentity;
}

export interface DownloadOptions {
  readonly settings: DriverSettings;
  readonly log: Log;
  /** Stops it at once. */
  readonly signal: AbortSignal;
  /** TLS material of the channel to Sensor, now; undefined: plain text. */
  readonly tls: () => TlsMaterial | undefined;
  readonly timings?: Timings;
}

/**
 * The phase find-driver: looks for a driver on this node, and makes it ready.
 * @throws Failure DRIVER_UNWRITABLE; an AbortError
 */
export async function findDriver(options: FindOptions): Promise<DriverLocation> {
  const { settings, log, signal } = options;
  const { collectionMethod: method, kernelModulesDir, hostRoot } = settings;
  if (method === 'core_bpf') return { kind: 'builtin' };
  const identity = options.kernel?.() ?? readKernelIdentity(hostRoot);
  const candidates = kernelCandidates(identity, settings.kernelCandidates);
  const drivers = candidates.map((candidate) =>
    driverFiles(method, candidate, settings.moduleDir, options.hasTypes),
  );
  const version = versionOrProblem(kernelModulesDir);
  log.info(`Module version: ${version instanceof DriverProblem ? `unknown, ${version.message}` : version}`);
  log.info('Attempting to find kernel module - Candidate kernel versions:');
  for (const candidate of candidates) log.info(candidate);

  for (const { target } of drivers[0] ?? []) await removeLeftovers(target);
  const unusable: UnusableFile[] = [];
  const onUnusable = (file: UnusableFile): void => {
    unusable.push(file);
    log.warning(`Local storage contains ${file.path}, which cannot be used: ${file.problem.message}`);
  };
  const take = async ({ object, target }: DriverFile): Promise<boolean> => {
    const found = await takeFromStorage(kernelModulesDir, object, target, { signal, onUnusable });
    if (found !== undefined) log.info(`Local storage contains ${found}, which is now ${target}`);
    else if (!unusable.some((file) => file.object === object))
      log.info(`Local storage does not contain ${object}`);
    return found !== undefined;
  };
  for (const files of drivers)
    if (await allOf(files, take)) return { kind: 'local', driver: localDriver(files) };
  return { kind: 'absent', method, release: identity.release, drivers, version, unusable };
}

/** A driver with its files in place for loading. */
function localDriver([driver, btf]: readonly DriverFile[]): LocalDriver {
  return { path: driver!.target, ...(btf && { btf: btf.target }) };
}

/**
 * The phase download: gets a driver from Sensor, else from MODULE_DOWNLOAD_BASE_URL.
 * @throws Failure DRIVER_UNAVAILABLE, DRIVER_UNWRITABLE, and the errors of `tls`; the reason of `signal`
 */
export async function downloadDriver(location: AbsentDriver, options: DownloadOptions): Promise<LocalDriver> {
  const { settings, log, signal, timings = TIMINGS } = options;
  const sources = location.version instanceof DriverProblem ? [] : sourcesOf(location.version, options);
  const warn = log.throttled('warning');
  const tried: FailedDownload[] = [];
  const get = async ({ object, target }: DriverFile): Promise<boolean> => {
    for (const source of sources) {
      const failed = await download(source, object, target, { log, warn, signal, timings });
      if (failed === undefined) {
        log.info(`Successfully downloaded and decompressed ${target}`);
        return true;
      }
      tried.push(failed);
    }
    log.warning(`Unable to download kernel object ${object} to ${target}.gz`);
    log.error(`Error getting kernel object: ${object}`);
    return false;
  };
  for (const files of location.drivers) if (await allOf(files, get)) return localDriver(files);
  throw noDriver(location, tried, settings);
}

/** Whether a step succeeds for all files, one after the other; the first failure ends it. */
async function allOf(
  files: readonly DriverFile[],
  step: (file: DriverFile) => Promise<boolean>,
): Promise<boolean> {
  for (const file of files) if (!(await step(file))) return false;
  return true;
}

function versionOrProblem(folder: string): string | DriverProblem {
  try {
    return moduleVersion(folder);
  } catch (error) {
    if (error instanceof DriverProblem) return error;
    throw error;
  }
}

/** Servers to download from, the best first. */
function sourcesOf(version: string, { settings, tls }: DownloadOptions): DriverServer[] {
  const { grpcServer, sniHostname, moduleDownloadBaseUrl } = settings;
  const sources: DriverServer[] = [];
  if (grpcServer !== '') {
    const { host, port } = splitHostPort(grpcServer);
    const peer = (): Peer => {
      const material = tls();
      return { host, port, ...(material && { tls: { serverName: sniHostname, material } }) };
    };
    const origin = tls() === undefined ? `http://${grpcServer}` : `https://${sniHostname}:${port}`;
    sources.push({ source: 'sensor', base: `${origin}/kernel-objects/${version}`, peer });
  }
  if (moduleDownloadBaseUrl !== undefined)
    sources.push({ source: 'mirror', base: `${moduleDownloadBaseUrl}/${version}` });
  return sources;
}

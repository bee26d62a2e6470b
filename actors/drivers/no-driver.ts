import type { Settings } from '../settings/table.js';
import { Failure, type FailureParameters } from '../telemetry/failures.js';
import type { FailedDownload } from './download.js';
import type { AbsentDriver } from './location.js';
import { DriverProblem } from './problem.js';

type DriverPlaces = Pick<Settings, 'grpcServer' | 'kernelModulesDir' | 'moduleDownloadBaseUrl'>;

/** The failure with every place looked at, and the remedy. */
export function noDriver(
  driver: AbsentDriver,
  downloads: readonly FailedDownload[],
  places: DriverPlaces,
): Failure<'DRIVER_UNAVAILABLE'> {
  const { release, drivers, version, unusable } = driver;
  const objects = drivers.map((files) => files.map(({ object }) => object).join(' with '));
  const missing = objects.filter((name) => !unusable.some(({ object }) => name.includes(object)));
  return new Failure('DRIVER_UNAVAILABLE', {
    release,
    ...problemToMend(driver, downloads, places),
    tried: [
      ...(objects.length === 0 ? ['no file can be named after it'] : []),
      ...(missing.length > 0 ? [`${places.kernelModulesDir} does not contain ${missing.join(' or ')}`] : []),
      ...unusable.map(({ path, problem }) => `${path}: ${problem.message}`),
      ...(version instanceof DriverProblem ? [`nothing can be downloaded, since ${version.message}`] : []),
      ...downloads.map(({ url, problem, attempts }) => `${url}: ${problem.message} (attempts: ${attempts})`),
    ],
  });
}

/** Of all problems the one to mend: where nothing is broken, that nobody has the driver. */
function problemToMend(
  { drivers, version, unusable }: AbsentDriver,
  downloads: readonly FailedDownload[],
  { grpcServer, moduleDownloadBaseUrl }: DriverPlaces,
): Pick<FailureParameters<'DRIVER_UNAVAILABLE'>, 'problem' | 'place'> {
  if (drivers.length === 0) return { problem: 'kernel', place: 'local' };
  const all = [
    ...downloads.map(({ server, problem }) => ({ place: server.source, problem: problem.kind })),
    ...unusable.map(({ problem }) => ({ place: 'local' as const, problem: problem.kind })),
  ];
  const isStandalone = grpcServer === '' && moduleDownloadBaseUrl === undefined;
  const unasked = version instanceof DriverProblem && !isStandalone ? 'version' : 'nowhere';
  return all.find(({ problem }) => problem !== 'missing') ?? all[0] ?? { problem: unasked, place: 'local' };
}

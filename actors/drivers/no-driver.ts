import type { Settings } from '../settings/table.js';
import { Failure, type FailureParameters } from '../telemetry/failures.js';
import type { Tried } from './download.js';
import type { Absent } from './found.js';
import { Trouble } from './trouble.js';

type Places = Pick<Settings, 'grpcServer' | 'kernelModulesDir' | 'moduleDownloadBaseUrl'>;

/** The failure that tells of every place that was looked at, and what to do. */
export function noDriver(
  found: Absent,
  tried: readonly Tried[],
  places: Places,
): Failure<'DRIVER_UNAVAILABLE'> {
  const { release, drivers, version, unusable } = found;
  const objects = drivers.map((files) => files.map(({ object }) => object).join(' with '));
  const missing = objects.filter((name) => !unusable.some(({ object }) => name.includes(object)));
  return new Failure('DRIVER_UNAVAILABLE', {
    release,
    ...toMend(found, tried, places),
    tried: [
      ...(objects.length === 0 ? ['no file can be named after it'] : []),
      ...(missing.length > 0 ? [`${places.kernelModulesDir} does not contain ${missing.join(' or ')}`] : []),
      ...unusable.map(({ path, trouble }) => `${path}: ${trouble.message}`),
      ...(version instanceof Trouble ? [`nothing can be downloaded, since ${version.message}`] : []),
      ...tried.map(({ url, trouble, attempts }) => `${url}: ${trouble.message} (attempts: ${attempts})`),
    ],
  });
}

/** Of all troubles the one to mend: where nothing is broken, it is that nobody has the driver. */
function toMend(
  { drivers, version, unusable }: Absent,
  tried: readonly Tried[],
  { grpcServer, moduleDownloadBaseUrl }: Places,
): Pick<FailureParameters<'DRIVER_UNAVAILABLE'>, 'trouble' | 'place'> {
  if (drivers.length === 0) return { trouble: 'kernel', place: 'local' };
  const all = [
    ...tried.map(({ source, trouble }) => ({ place: source.place, trouble: trouble.kind })),
    ...unusable.map(({ trouble }) => ({ place: 'local' as const, trouble: trouble.kind })),
  ];
  const isStandalone = grpcServer === '' && moduleDownloadBaseUrl === undefined;
  const unasked = version instanceof Trouble && !isStandalone ? 'version' : 'nowhere';
  return all.find(({ trouble }) => trouble !== 'missing') ?? all[0] ?? { trouble: unasked, place: 'local' };
}

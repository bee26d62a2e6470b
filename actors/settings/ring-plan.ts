import type { Settings } from './table.js';

/** How kernel events are buffered: how many rings, how large, and how many CPUs share one. */
export interface RingPlan {
  readonly rings: number;
  /** A power of two and a multiple of the page. */
  readonly bytesPerRing: number;
  /** CPU number c writes to ring `floor(c / cpusPerRing)`. */
  readonly cpusPerRing: number;
}

const PAGE = 4096;

/**
 * How CPUs per buffer, buffer size and total combine:
 * - every `cpusPerBuffer` CPUs share one ring (0: all share a single one), the last ring perhaps fewer;
 * - each ring has `bufferSize` bytes, halved until all rings together are within `totalBufferSize`;
 * - if rings of one page are still too much, the CPUs that share a ring are doubled until the total holds.
 * So the total always holds, since it is a page or more.
 * @param cpus the CPUs the kernel could ever use (`possible`, not only the ones online), 1 or more
 */
export function ringPlan(
  cpus: number,
  settings: Pick<Settings, 'bufferSize' | 'totalBufferSize' | 'cpusPerBuffer'>,
): RingPlan {
  const { bufferSize, totalBufferSize } = settings;
  let cpusPerRing = settings.cpusPerBuffer === 0 ? cpus : settings.cpusPerBuffer;
  const rings = (): number => Math.ceil(cpus / cpusPerRing);

  let bytesPerRing = bufferSize;
  while (rings() * bytesPerRing > totalBufferSize && bytesPerRing > PAGE) bytesPerRing /= 2;
  while (rings() * bytesPerRing > totalBufferSize && rings() > 1) cpusPerRing *= 2;
  return { rings: rings(), bytesPerRing, cpusPerRing: Math.min(cpusPerRing, cpus) };
}

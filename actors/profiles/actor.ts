import type { Log } from '../telemetry/log.js';
import { encoder } from './encode.js';
import { Profile } from './profile.js';
import { cpuSampler, heapSampler } from './sampler.js';

/** How long each is on at most, ms. What V8 keeps of the first grows with time; of the second, with the heap only. */
const MOST_CPU_MS = 300_000;
const MOST_HEAP_MS = 3_600_000;

/**
 * The profiles of this process.
 * @param worker path of the code that converts them
 */
export function createProfiles(worker: string, log: Log): { readonly cpu: Profile; readonly heap: Profile } {
  const encode = encoder(worker);
  return {
    cpu: new Profile({ name: 'CPU', sampler: cpuSampler(), encode, most: MOST_CPU_MS, log }),
    heap: new Profile({ name: 'Heap', sampler: heapSampler(), encode, most: MOST_HEAP_MS, log }),
  };
}

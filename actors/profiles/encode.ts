import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { RawProfile } from './sampler.js';

/**
 * Room for the source map and a profile of many stacks, MB: a conversion in need of more fails, and Collector goes on.
 * The smaller the young generation is, the less garbage there is at a time.
 */
const MEMORY = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 2 };

/**
 * Converts profiles for pprof, gzipped, in a thread.
 * @param worker path of its code
 */
export function encoder(worker: string): (raw: RawProfile) => Promise<Buffer> {
  return async (raw) => {
    const thread = new Worker(worker, { workerData: raw, resourceLimits: MEMORY });
    // An error thrown in the thread is thrown here.
    const [encoded] = (await once(thread, 'message')) as [Uint8Array];
    await thread.terminate();
    return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  };
}

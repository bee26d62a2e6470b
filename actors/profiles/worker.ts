/** A thread that converts one profile and ends, so that collecting goes on meanwhile, and the memory is given back. */
import { parentPort, workerData } from 'node:worker_threads';
import { Positions } from './positions.js';
import { encodeProfile } from './pprof.js';
import type { RawProfile } from './sampler.js';
import { sampledProfile } from './stacks.js';

parentPort!.postMessage(encodeProfile(sampledProfile(workerData as RawProfile), new Positions()));

import { release } from 'node:os';
import type { KernelFacts } from '../../actors/capture/driver.js';

/** Options to load the BPF programs in most specs: the builtin ones, without reports on UDP, and unmeasured. */
export const plainProbe = {
  object: '',
  btf: '',
  pending: false,
  arguments: true,
  cgroupRoot: '',
  udpWindow: 0,
  udpListeners: false,
  runTime: false,
} as const;

/** This kernel, as one that nothing is known to keep from loading programs. */
export const thisKernel: KernelFacts = { release: release(), lockdown: 'none', blockers: [] };

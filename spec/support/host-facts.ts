import {
  capabilities,
  type Capability,
  type HostFacts,
  type KernelFeature,
} from '../../actors/capture/host.js';

export const allCapabilities = Object.keys(capabilities) as Capability[];

/** A host with everything, except for the given facts. */
export function host(facts: Partial<HostFacts> = {}): HostFacts {
  return {
    hostname: 'node',
    os: 'Linux',
    release: '6.1.0-18-amd64',
    euid: 0,
    capabilities: new Set(allCapabilities),
    lastCapability: 40,
    bpf: true,
    btf: true,
    features: new Set<KernelFeature>(['ring buffers', 'tracing of execs and TCP states']),
    arch: 'x64',
    lockdown: 'none',
    blockers: [],
    hostPids: true,
    ...facts,
  };
}

import type { StartFact, StateSettings } from '../../actors/capture/facts.js';

/** The settings that state depends on, as they are without being set; but for the afterglow, which is off. */
export function stateSettings(settings: Partial<StateSettings> = {}): StateSettings {
  return {
    scope: 'containers',
    format: 'json',
    processTableSize: 32_768,
    scrapeInterval: 30,
    afterglowPeriod: 0,
    endpoints: true,
    originators: true,
    networkDisabled: false,
    dropIgnored: true,
    ignoredNetworks: [],
    nonAggregatedNetworks: [],
    externalIps: 'none',
    maxConnectionsPerMinute: 2048,
    ...settings,
  };
}

/** The start of a run. */
export function startFact(fact: Partial<Omit<StartFact, 'kind'>> = {}): StartFact {
  return { kind: 'start', time: 0, epoch: 0, seed: 'abcdef012345678', settings: stateSettings(), ...fact };
}

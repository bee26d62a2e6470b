import assert from 'node:assert/strict';
import type { StateSettings } from '../../actors/capture/facts.js';
import { readSettings } from '../../actors/settings/read.js';
import { stateSettings } from '../../actors/settings/state-settings.js';

describe('stateSettings', () => {
  it('is what a recording keeps of the settings', () => {
    const { settings } = readSettings(['--scope=all', '--format=compact'], {
      ROX_COLLECTOR_SCRAPE_INTERVAL: '5',
      ROX_AFTERGLOW_PERIOD: '20',
      ROX_NETWORK_GRAPH_PORTS: 'false',
      ROX_PROCESSES_LISTENING_ON_PORT: 'false',
      ROX_COLLECTOR_DISABLE_NETWORK_FLOWS: 'true',
      ROX_NETWORK_DROP_IGNORED: 'false',
      ROX_IGNORE_NETWORKS: '10.0.0.0/8',
      ROX_NON_AGGREGATED_NETWORKS: '1.0.0.0/8',
      ROX_COLLECTOR_EXTERNAL_IPS_ENABLE: 'true',
    });
    const expected: Omit<StateSettings, 'format'> = {
      scope: 'all',
      processTableSize: 32_768,
      scrapeInterval: 5,
      afterglowPeriod: 20,
      endpoints: false,
      originators: false,
      networkDisabled: true,
      dropIgnored: false,
      ignoredNetworks: ['10.0.0.0/8'],
      nonAggregatedNetworks: ['1.0.0.0/8'],
      externalIps: 'both',
      maxConnectionsPerMinute: 2048,
    };
    const state: Omit<StateSettings, 'format'> = stateSettings(settings);
    assert.deepEqual(state, expected);
  });

  it('takes the runtime configuration that is in force, if there is one', () => {
    const config = { externalIps: 'egress', maxConnectionsPerMinute: 7 } as const;
    const { externalIps, maxConnectionsPerMinute } = stateSettings(readSettings([], {}).settings, config);
    assert.deepEqual({ externalIps, maxConnectionsPerMinute }, config);
  });

  it('has an afterglow of 0 s when afterglow is off', () => {
    const off = { ROX_ENABLE_AFTERGLOW: 'false', ROX_AFTERGLOW_PERIOD: '20' };
    assert.equal(stateSettings(readSettings([], off).settings).afterglowPeriod, 0);
  });
});

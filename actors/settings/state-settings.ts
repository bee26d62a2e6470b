import { withoutFile, type RuntimeConfig } from './runtime-config.js';
import type { Settings } from './table.js';

/**
 * Picks the settings a run's state and output depend on, in the shape of `StateSettings` in capture/facts.ts (not
 * imported: settings know nobody). The format is left out, since a replay may change it. Afterglow turned off is a
 * period of 0.
 * @param config the runtime configuration at the start of the run
 */
export function stateSettings(
  settings: Settings,
  config: RuntimeConfig = withoutFile(settings),
): RuntimeConfig &
  Pick<
    Settings,
    | 'scope'
    | 'processTableSize'
    | 'scrapeInterval'
    | 'afterglowPeriod'
    | 'endpoints'
    | 'originators'
    | 'networkDisabled'
    | 'dropIgnored'
    | 'ignoredNetworks'
    | 'nonAggregatedNetworks'
  > {
  return {
    scope: settings.scope,
    processTableSize: settings.processTableSize,
    scrapeInterval: settings.scrapeInterval,
    afterglowPeriod: settings.afterglow ? settings.afterglowPeriod : 0,
    endpoints: settings.endpoints,
    originators: settings.originators,
    networkDisabled: settings.networkDisabled,
    dropIgnored: settings.dropIgnored,
    ignoredNetworks: settings.ignoredNetworks,
    nonAggregatedNetworks: settings.nonAggregatedNetworks,
    externalIps: config.externalIps,
    maxConnectionsPerMinute: config.maxConnectionsPerMinute,
  };
}

import type { StateSettings } from '../capture/facts.js';
import type { ProcfsOptions } from '../capture/procfs/scanner.js';
import type { Settings } from '../settings/table.js';

/** What both the programs and the scans show. */
export function shown(
  settings: Settings,
): Pick<ProcfsOptions, 'allScopes' | 'loopback' | 'pending' | 'udpListeners' | 'arguments'> {
  return {
    allScopes: settings.scope === 'all',
    // Never in a report, but a person who watches wants to see them.
    loopback: settings.grpcServer === '' && outputFormat(settings) === 'compact',
    pending: !settings.connectionStatus,
    udpListeners: settings.udpListeners,
    arguments: !settings.noProcessArguments,
  };
}

/** How messages are printed when there is no Sensor. */
export function outputFormat({ format }: Settings): StateSettings['format'] {
  return format ?? 'json';
}

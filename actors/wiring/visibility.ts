import type { StateSettings } from '../capture/facts.js';
import type { ProcfsOptions } from '../capture/procfs/scanner.js';
import type { Settings } from '../settings/table.js';

/** Visibility of events, the same for the programs and for scans. */
export function visibility(
  settings: Settings,
): Pick<ProcfsOptions, 'allScopes' | 'loopback' | 'pending' | 'udpListeners' | 'arguments'> {
  return {
    allScopes: settings.scope === 'all',
    // Never in a report, but a person at a terminal wants to see them.
    loopback: settings.grpcServer === '' && outputFormat(settings) === 'compact',
    pending: !settings.connectionStatus,
    udpListeners: settings.udpListeners,
    arguments: !settings.noProcessArguments,
  };
}

/** Format of printed messages, without a Sensor. */
export function outputFormat({ format }: Settings): StateSettings['format'] {
  return format ?? 'json';
}

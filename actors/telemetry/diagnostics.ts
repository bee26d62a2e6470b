import type { Diagnostics, Phase } from '../../machines/lifecycle.js';
import type { Failure } from './failures.js';
import type { Level } from './line.js';

export interface DiagnosticLine {
  readonly level: Level;
  readonly message: string;
}

/**
 * The start-up diagnostics in their well-known words and columns, one line an element, for the level info. Without a
 * Sensor, "Connected to Sensor?" is truly false, and a line below the table says why this is no fault.
 */
export function diagnosticsTable(diagnostics: Diagnostics & { readonly standalone: boolean }): string[] {
  return [
    '',
    '== Collector Startup Diagnostics: ==',
    ` Connected to Sensor?       ${diagnostics.connectedToSensor}`,
    ` Kernel driver available?   ${diagnostics.driverAvailable}`,
    ` Driver loaded into kernel? ${diagnostics.driverLoaded}`,
    '====================================',
    ...(diagnostics.standalone
      ? ['Standalone: no Sensor is configured, messages go to standard output.']
      : []),
    '',
  ];
}

/** Steps not tried after a phase failed; by `start`, after a failure before all phases. */
const untried: Readonly<Record<Phase | 'start', string | undefined>> = {
  start: 'to connect to Sensor, to find a driver, to load it',
  'connect-sensor': 'to find a driver, to load it',
  'find-driver': 'to load a driver',
  download: 'to load a driver',
  load: undefined,
  collect: undefined,
};

/**
 * The lines below the table after a failure: steps shown as false only because they were not tried, cause, remedy, and
 * the last line, also written to the termination log.
 */
export function failureLines(failure: Failure, lastWord: string, failed: Phase | 'start'): DiagnosticLine[] {
  const left = untried[failed];
  return [
    ...(left === undefined
      ? []
      : [{ level: 'info', message: `Not tried, for what failed before: ${left}.` } as const]),
    { level: 'error', message: `Cause: ${failure.message}` },
    { level: 'error', message: `Remedy: ${failure.remedy}` },
    { level: 'fatal', message: lastWord },
  ];
}

/**
 * The one FATAL line of a failed phase.
 * @param host `sensor`: the address tried; `release`: the kernel's, as in `uname -r`
 */
export function fatalText(
  phase: Phase,
  { sensor, release }: { readonly sensor: string; readonly release: string },
): string {
  switch (phase) {
    case 'connect-sensor':
      return `Unable to connect to Sensor at '${sensor}'.`;
    case 'find-driver':
    case 'download':
      return `No suitable kernel object downloaded for kernel ${release}`;
    case 'load':
      return 'Failed to initialize collector kernel components.';
    case 'collect':
      return 'Collector can no longer collect.';
  }
}

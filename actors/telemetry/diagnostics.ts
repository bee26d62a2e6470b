import type { Failure } from './failures.js';
import type { Level } from './line.js';

/** How far the start-up got. */
export interface Diagnostics {
  readonly connectedToSensor: boolean;
  readonly driverAvailable: boolean;
  readonly driverLoaded: boolean;
}

/** A start-up phase that can fail, and `collect`, which can fail later. */
export type Phase = 'connect-sensor' | 'find-driver' | 'download' | 'load' | 'collect';

export interface DiagnosticLine {
  readonly level: Level;
  readonly message: string;
}

/**
 * The start-up diagnostics, in the words and columns that people search for, a line an element, for the level info.
 * Without a Sensor, "Connected to Sensor?" is false, which is the truth, and a line below the table says why that is
 * no fault.
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

/** What never came to be tried when a phase failed, or, by `start`, what comes before all of them. */
const untried: Readonly<Record<Phase | 'start', string | undefined>> = {
  start: 'to connect to Sensor, to find a driver, to load it',
  'connect-sensor': 'to find a driver, to load it',
  'find-driver': 'to load a driver',
  download: 'to load a driver',
  load: undefined,
  collect: undefined,
};

/**
 * What stands below the table after a failure: what the table calls false only since it was never tried, cause, remedy,
 * and the last line, which is the termination log's too.
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
 * The one FATAL line of a phase that failed.
 * @param host `sensor`: the address that was tried; `release`: the kernel's, as `uname -r` says it
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

import type { FailureParameters } from '../telemetry/failures.js';

/** Kinds of problems, by their remedies. */
export type DriverProblemKind = FailureParameters<'DRIVER_UNAVAILABLE'>['problem'];
/** Where to look for a driver. */
export type DriverSource = FailureParameters<'DRIVER_UNAVAILABLE'>['place'];

/** Why one source did not give a driver. Its message completes "<source>: …". */
export class DriverProblem extends Error {
  override readonly name = 'DriverProblem';
  readonly kind: DriverProblemKind;

  constructor(kind: DriverProblemKind, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.kind = kind;
  }
}

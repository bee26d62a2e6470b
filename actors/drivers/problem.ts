import type { FailureParameters } from '../telemetry/failures.js';

/** What kind of trouble it is, by what there is to do about it. */
export type DriverProblemKind = FailureParameters<'DRIVER_UNAVAILABLE'>['trouble'];
/** Where a driver is looked for. */
export type DriverSource = FailureParameters<'DRIVER_UNAVAILABLE'>['place'];

/** Why one place did not give a driver. Its message completes "<place>: …". */
export class DriverProblem extends Error {
  override readonly name = 'DriverProblem';
  readonly kind: DriverProblemKind;

  constructor(kind: DriverProblemKind, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.kind = kind;
  }
}

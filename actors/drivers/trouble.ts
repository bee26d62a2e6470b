import type { FailureParameters } from '../telemetry/failures.js';

/** What kind of trouble it is, by what there is to do about it. */
export type TroubleKind = FailureParameters<'DRIVER_UNAVAILABLE'>['trouble'];
/** Where a driver is looked for. */
export type Place = FailureParameters<'DRIVER_UNAVAILABLE'>['place'];

/** Why one place did not give a driver. Its message completes "<place>: …". */
export class Trouble extends Error {
  override readonly name = 'Trouble';
  readonly kind: TroubleKind;

  constructor(kind: TroubleKind, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.kind = kind;
  }
}

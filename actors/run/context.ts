import type { Settings } from '../settings/table.js';
import type { Log } from '../telemetry/log.js';
import type { StandardOutput } from './standard-output.js';

/** What every part of a run may need. */
export interface Context {
  readonly settings: Settings;
  readonly log: Log;
  readonly output: StandardOutput;
}

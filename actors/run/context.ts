import type { Io } from '../../native/io.js';
import type { Settings } from '../settings/table.js';
import type { Deadline } from '../telemetry/deadline.js';
import type { Log } from '../telemetry/log.js';
import type { StandardOutput } from './standard-output.js';

/** What every part of a run may need. */
export interface Context {
  readonly settings: Settings;
  readonly log: Log;
  readonly output: StandardOutput;
  /** By when the whole run is over, once its end has begun; whoever takes part in it takes a share of what is left. */
  readonly deadline: Deadline;
  readonly io: Io;
}

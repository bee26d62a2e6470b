import type { Io } from '../../native/io.js';
import type { Health } from '../capture/health.js';
import type { Introspection } from '../http/introspection.js';
import type { EventRelay } from '../inspection/event-relay.js';
import type { NodeAccess } from '../inspection/ask.js';
import type { Views } from '../inspection/view-routes.js';
import type { StandardOutput } from '../output/standard-output.js';
import type { Settings } from '../settings/table.js';
import type { Deadline } from '../telemetry/deadline.js';
import type { Log } from '../telemetry/log.js';
import type { PeerSummaries } from '../telemetry/publication.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { LifecycleRecording } from './lifecycle-recording.js';

/** The context of every run, a replay too. */
export interface RunContext {
  readonly settings: Settings;
  readonly log: Log;
  readonly output: StandardOutput;
  /** Of the end of the run; each part of the end takes a share of the time left. */
  readonly deadline: Deadline;
  readonly io: Io;
}

/** The context of a live run: also the places where parts publish their counts and views. */
export interface LiveContext extends RunContext {
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly introspection: Introspection;
  readonly lifecycle: LifecycleRecording;
  /** Gets what the command can ask for, once it exists. */
  readonly offerNode: (access: NodeAccess) => void;
  readonly views: Views;
  readonly events: EventRelay;
  /** Summaries of connection counts; none if the settings have them off. */
  readonly peers: readonly PeerSummaries[];
}

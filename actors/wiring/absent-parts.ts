import { EventMeter } from '../capture/event-meter.js';
import { recordingLosses } from '../capture/recorder.js';
import type { Settings } from '../settings/table.js';
import type { Publication } from '../telemetry/publication.js';

const NONE = { count: 0 };

/**
 * Publication in place of the parts until they are made: a scrape has the same series from the first one on, so rates
 * can be asked for.
 */
export function absentParts({ processTableSize }: Settings): Publication {
  const { events } = new EventMeter();
  return {
    tables: () => [{ name: 'processes', entries: 0, capacity: processTableSize, evicted: 0 }],
    losses: () => [
      { stage: 'kernel', cause: 'program_detached', ...NONE },
      { stage: 'processes', cause: 'table_full', ...NONE },
      { stage: 'processes', cause: 'originators_full', ...NONE },
      { stage: 'connections', cause: 'table_full', ...NONE },
      { stage: 'connections', cause: 'rate_limited', ...NONE },
      ...recordingLosses(),
      { stage: 'endpoints', cause: 'rate_limited', ...NONE },
      { stage: 'output', cause: 'nobody_reads', ...NONE },
    ],
    events: () => events,
  };
}

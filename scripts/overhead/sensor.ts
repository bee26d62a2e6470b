/**
 * The Sensor double in a process of its own, as Sensor is on another node: it decodes each message and only counts.
 * Its arguments are the containers whose processes count. Sends its address, and its counts when it is asked.
 */
import type { SensorEvent } from '../sensor/events.js';
import { SensorDouble } from '../sensor/double.js';

/** What came in until now. */
export interface Delivered {
  /** Processes started in our containers, scans left out. */
  readonly processes: number;
  /** Updates of connections and listening ports, of all containers. */
  readonly updates: number;
}

interface Message {
  readonly signal?: {
    readonly processSignal?: { readonly containerId?: string; readonly scraped?: boolean };
  };
  readonly info?: {
    readonly updatedConnections?: readonly unknown[];
    readonly updatedEndpoints?: readonly unknown[];
  };
}

const containers = new Set(process.argv.slice(2));
let processes = 0;
let updates = 0;

function onEvent(event: SensorEvent): void {
  if (!('message' in event)) return;
  const { signal, info } = event.message as Message;
  const { containerId = '', scraped = false } = signal?.processSignal ?? {};
  if (!scraped && containers.has(containerId)) processes++;
  updates += (info?.updatedConnections?.length ?? 0) + (info?.updatedEndpoints?.length ?? 0);
}

const double = await SensorDouble.start({ keep: 0, onEvent });
process.on('message', () => process.send?.({ processes, updates } satisfies Delivered));
process.on('disconnect', () => void double.stop());
process.send?.(double.address);

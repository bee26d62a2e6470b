import { setTimeout as sleep } from 'node:timers/promises';
import { createActor } from 'xstate';
import { BACK_OFF, Sensor } from '../../actors/sensor/actor.js';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { createLog } from '../../actors/telemetry/log.js';
import { stream, type SpawnStream } from '../../machines/stream.js';
import { SensorDouble, type SensorEvent } from '../sensor/double.js';
import type { Returns, Waits } from './burst.js';
import { STREAMS, type StreamName } from './traffic.js';

/** For all streams to open, ms. */
const PATIENCE_MS = 60_000;
const POLL_MS = 50;
const END_MS = 2000;

/**
 * Breaks the streams of real clients to a real Sensor double, over TCP and gRPC, and waits until all are open again.
 * @param downMs time for which the double refuses connections; 0: it only resets them
 * @returns of each stream, ms after the break; its connections are not seen
 * @throws Error if a stream does not open in a minute
 */
export async function wireReturns(
  clients: number,
  downMs: number,
  waits: Waits,
  signal: AbortSignal,
): Promise<Omit<Returns, 'connections'>> {
  const opened: Record<StreamName, number[]> = { signals: [], network: [] };
  const onEvent = (event: SensorEvent): void => {
    if ('stream' in event && 'event' in event && event.event === 'open')
      opened[event.stream].push(performance.now());
  };
  const double = await SensorDouble.start({ onEvent, keep: 1 });
  const sensors: Sensor[] = [];
  const areOpen = async (): Promise<void> => {
    const end = performance.now() + PATIENCE_MS;
    while (STREAMS.some((name) => opened[name].length < clients)) {
      signal.throwIfAborted();
      if (performance.now() > end)
        throw new Error('A stream to the Sensor double did not open within a minute');
      await sleep(POLL_MS);
    }
  };
  try {
    const log = createLog({ level: 'fatal', write: () => undefined });
    for (let client = 0; client < clients; client++) {
      const sensor = new Sensor({
        address: double.address,
        serverName: '',
        tls: undefined,
        registration: { hostname: `node-${client}`, instanceId: String(client) },
        queueSize: 2 ** 20,
        log,
      });
      sensors.push(sensor);
      sensor.start(spawnWith(waits));
    }
    await areOpen();
    for (const name of STREAMS) opened[name].length = 0;
    const broken = performance.now();
    if (downMs === 0) {
      double.reset();
    } else {
      await double.refuse();
      await sleep(downMs, undefined, { signal });
      await double.accept();
    }
    await areOpen();
    const since = (times: readonly number[]): number[] => times.map((time) => time - broken);
    return { signals: since(opened.signals), network: since(opened.network) };
  } finally {
    await Promise.all(sensors.map((sensor) => sensor.close(new Deadline(END_MS).start())));
    await double.stop();
  }
}

/** Starts streams that wait as they are told. */
function spawnWith({ backOff, part }: Waits): SpawnStream {
  return (id, { open }) => {
    const input = { backOff: backOff[id as keyof typeof BACK_OFF], open, random: () => part(Math.random()) };
    const actor = createActor(stream, { id, input });
    // As a spawned actor does: after its owner has subscribed.
    queueMicrotask(() => actor.start());
    return actor;
  };
}

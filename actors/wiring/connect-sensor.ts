import { randomUUID } from 'node:crypto';
import type { HostFacts } from '../capture/host.js';
import { Sensor } from '../sensor/actor.js';
import { readTls, tlsFiles } from '../sensor/tls.js';
import type { Failure } from '../telemetry/failures.js';
import type { RunContext } from './context.js';

/**
 * Connects to Sensor, unless there is none.
 * @param onObstacle called with the reason of an attempt in vain, if it is another one
 */
export async function connectSensor(
  host: HostFacts,
  { settings, log, deadline }: RunContext,
  signal: AbortSignal,
  onObstacle: (failure: Failure) => void,
): Promise<Sensor | undefined> {
  const { grpcServer: address, sniHostname: serverName, signalQueueSize: queueSize } = settings;
  if (address === '') return undefined;
  log.info(`Sensor configured at address: ${address}`);
  const registration = { hostname: host.hostname, instanceId: randomUUID() };
  const files = tlsFiles(settings);
  const tls = files && { files, material: await readTls(files) };
  signal.throwIfAborted();
  const sensor = new Sensor({
    address,
    serverName,
    tls,
    registration,
    queueSize,
    log,
  });
  try {
    log.info('Attempting to connect to Sensor');
    let last = '';
    await sensor.connect(signal, undefined, (failure) => {
      // An attempt a second, for half a minute: news is another reason.
      if (failure.message !== last) onObstacle(failure);
      last = failure.message;
    });
    log.info('Successfully connected to Sensor.');
    return sensor;
  } catch (error) {
    await sensor.close(deadline.start());
    throw error;
  }
}

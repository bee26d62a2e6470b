import { randomUUID } from 'node:crypto';
import type { HostFacts } from '../capture/host.js';
import { Sensor } from '../sensor/actor.js';
import { collectorsOwn } from '../sensor/certificate.js';
import { readTls, tlsFiles } from '../sensor/tls.js';
import type { RunContext } from './context.js';

/** Connects to Sensor, unless there is none. */
export async function connectSensor(
  host: HostFacts,
  { settings, log, deadline }: RunContext,
  signal: AbortSignal,
): Promise<Sensor | undefined> {
  const { grpcServer: address, sniHostname: serverName, signalQueueSize: queueSize } = settings;
  if (address === '') return undefined;
  log.info(`Sensor configured at address: ${address}`);
  const registration = { hostname: host.hostname, instanceId: randomUUID() };
  const files = tlsFiles(settings);
  const tls = files && { files, material: await readTls(files) };
  signal.throwIfAborted();
  if (log.enables('debug'))
    log.debug(tls === undefined ? 'Without TLS to Sensor' : `${collectorsOwn(tls.material.cert)} is in use`);
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
    await sensor.connect(signal);
    log.info('Successfully connected to Sensor.');
    return sensor;
  } catch (error) {
    await sensor.close(deadline.start());
    throw error;
  }
}

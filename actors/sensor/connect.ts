import { setTimeout as delay } from 'node:timers/promises';
import { Metadata, status, type Client } from '@grpc/grpc-js';
import { Failure } from '../telemetry/failures.js';
import { methods } from './stream.js';

/** Number of polls for Sensor, and ms from one to the next. */
const POLLS = 30;
const POLL_MS = 1000;

export interface ConnectOptions {
  /** host:port, for texts. */
  readonly address: string;
  /** Finds out why Sensor cannot be reached. */
  readonly diagnose: () => Promise<Failure>;
  /** Replaces a channel waiting after a failed attempt. Returns whether it did. */
  readonly endBackOff: () => boolean;
  /** Gets the reason after failed polls. */
  readonly onFailure: (failure: Failure) => void;
  readonly signal: AbortSignal;
  readonly polls?: number;
}

/**
 * Waits until something answers on the channel and turns out to be Sensor.
 * @param channel the one in use
 * @throws Failure of the last attempt, SENSOR_WRONG_SERVICE among others; the reason `signal` was aborted with
 */
export async function connectToSensor(channel: () => Client, options: ConnectOptions): Promise<void> {
  const { signal, polls = POLLS } = options;
  let failure: Failure | undefined;
  let diagnosis: Promise<void> | undefined;
  let isOver = false;
  let isRenewed = false;
  // Runs beside the polls: a diagnosis may take longer than one.
  const diagnose = async (): Promise<void> => {
    failure = await options.diagnose();
    // The attempt of the diagnosis got through, while the channel waits for its next one.
    const isWaiting = failure.code === 'SENSOR_UNREADY' && !signal.aborted && !isOver && !isRenewed;
    isRenewed = isWaiting && options.endBackOff();
    if (!signal.aborted && !isOver && !isRenewed) options.onFailure(failure);
    diagnosis = undefined;
  };
  for (let poll = 0; poll < polls; poll++) {
    const start = performance.now();
    const isReady = await ready(channel(), Date.now() + POLL_MS);
    signal.throwIfAborted();
    if (isReady) {
      failure = await wrongService(channel(), options.address);
      signal.throwIfAborted();
      if (failure === undefined) return;
      options.onFailure(failure);
    } else {
      diagnosis ??= diagnose();
    }
    await delay(Math.max(POLL_MS - (performance.now() - start), 0), undefined, { signal });
  }
  if (failure === undefined) await diagnosis;
  isOver = true; // after the final failure, a late diagnosis stays silent
  throw failure!;
}

async function ready(channel: Client, deadline: number): Promise<boolean> {
  return new Promise((resolve) => channel.waitForReady(deadline, (error) => resolve(error === undefined)));
}

/**
 * Checks for Sensor's service by opening a stream and ending it without a message. To Sensor this looks like a
 * Collector with nothing to report.
 */
async function wrongService(channel: Client, address: string): Promise<Failure | undefined> {
  return new Promise((resolve) => {
    const call = channel.makeBidiStreamRequest(
      methods.signals,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      new Metadata(),
      { deadline: Date.now() + POLL_MS },
    );
    call.on('error', () => undefined); // the status says the same
    call.on('data', () => undefined);
    call.on('status', ({ code, details }) => {
      const answer = `gRPC status UNIMPLEMENTED for sensor.SignalService${details === '' ? '' : ` (${details})`}`;
      resolve(
        code === status.UNIMPLEMENTED ? new Failure('SENSOR_WRONG_SERVICE', { address, answer }) : undefined,
      );
    });
    call.end();
  });
}

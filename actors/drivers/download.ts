import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import type { Peer } from './connection.js';
import { get, type Patience } from './request.js';
import { codeOf } from '../sensor/printable.js';
import { DriverProblem, type DriverSource } from './problem.js';
import { unpack } from './unpack.js';

/** How often and how long to try for one object at one place; times in ms. */
export interface Timings extends Patience {
  readonly attempts: number;
  /** From the end of one attempt to the next. */
  readonly interval: number;
  /** For all attempts together. */
  readonly total: number;
}

export const TIMINGS: Timings = {
  attempts: 30,
  interval: 1000,
  total: 60_000,
  connect: 2000,
  stall: 10_000,
};

/** A server with driver objects. */
export interface DriverServer {
  readonly source: Exclude<DriverSource, 'local'>;
  /** Address of the archives; their names are put behind it. */
  readonly base: string;
  /**
   * The server to ask, if it differs from the address; called for each attempt, since certificates change.
   */
  readonly peer?: () => Peer;
}

/** A failed download. */
export interface FailedDownload {
  readonly server: DriverServer;
  /** Without secrets, fit for a log. */
  readonly url: string;
  readonly attempts: number;
  /** Of the last completed attempt. */
  readonly problem: DriverProblem;
}

export interface DownloadContext {
  readonly log: Log;
  /** Logs the problem of each attempt. */
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
  readonly timings: Timings;
}

/**
 * Downloads an object and unpacks it to `target`; tries again after problems that can pass.
 * @returns undefined once it is there
 * @throws Failure DRIVER_UNWRITABLE, and any error of `server.peer`; the reason of `signal`
 */
export async function download(
  server: DriverServer,
  object: string,
  target: string,
  { log, warn, signal, timings }: DownloadContext,
): Promise<FailedDownload | undefined> {
  const archive = `${object}.gz`;
  const address = `${server.base}/${archive}`;
  const url = address.replace(/\/\/[^/]*@/, '//'); // without user and password
  signal.throwIfAborted();
  log.info(`Attempting to download kernel object from ${url}`);
  const time = limited(signal, timings.total);
  let problem: DriverProblem | undefined;
  let attempts = 0;
  try {
    while (attempts < timings.attempts && !time.signal.aborted && problem?.kind !== 'corrupt') {
      if (attempts > 0) await delay(timings.interval, undefined, { signal: time.signal });
      attempts++;
      try {
        const body = await get(new URL(address), server.peer?.(), timings, time.signal);
        await unpack(body, target, { gzip: true, signal: time.signal });
        return undefined;
      } catch (error) {
        time.signal.throwIfAborted();
        problem = networkProblem(error);
        if (problem.kind === 'corrupt') log.warning(`Deleted the download of ${url}: ${problem.message}`);
        else warn(`Unexpected HTTP request failure (${problem.message})`);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!time.signal.aborted) throw error;
    problem ??= new DriverProblem('timeout', `it was not done within ${timings.total / 1000} s`);
  } finally {
    time.end();
  }
  log.flush();
  log.warning(`Attempted to download ${archive} ${attempts} time(s)`);
  log.warning(`Failed to download from ${archive}`);
  return { server, url, attempts, problem: problem! };
}

/** @throws `error` if it is none of the network's: trying again would not help */
function networkProblem(error: unknown): DriverProblem {
  if (error instanceof DriverProblem) return error;
  if (error instanceof Failure) throw error;
  return new DriverProblem('broken', `the connection broke in the middle of the body (${codeOf(error)})`, {
    cause: error,
  });
}

/**
 * A signal following `signal`, and firing by itself after `ms`. (In Node 20, the signal made by AbortSignal.any of a
 * timeout can be collected as garbage before it fires.)
 */
function limited(
  signal: AbortSignal,
  ms: number,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const follow = () => controller.abort();
  signal.addEventListener('abort', follow);
  const timer = setTimeout(() => controller.abort(), ms);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', follow);
    },
  };
}

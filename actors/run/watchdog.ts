import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Observer } from '../http/observer.js';
import { phases, steps } from '../telemetry/activity.js';
import { Failure } from '../telemetry/failures.js';
import type { Context } from './context.js';
import type { StandardError } from './standard-error.js';

const FILE = 'stall.json';
const LONGEST_REPORT = 4096;
/** How long the start waits for the disk with the report, ms. */
const PATIENCE_MS = 1000;

/** Logs what the watchdog of the run before has left, and starts one, unless there shall be none. */
export async function startWatchdog(
  observer: Observer,
  standardError: StandardError,
  { settings, log, io }: Context,
): Promise<void> {
  const { watchdogSeconds: seconds, runDir: folder, terminationLog, logFormat } = settings;
  if (seconds === 0) return;
  await Promise.race([logReport(folder, observer, log), delay(PATIENCE_MS, undefined, { ref: false })]);
  new io.Watchdog(
    {
      seconds,
      folder,
      terminationLog,
      phases,
      steps,
      cell: observer.activity.cell,
      log: standardError.writer,
      json: logFormat === 'json',
    },
    (seconds, cause) => {
      observer.stalls++;
      log.warning(`The event loop stood still for ${seconds} s, and goes on. It was in ${cause}`);
    },
  );
}

/** Logs the report of the run before, once. */
async function logReport(folder: string, observer: Observer, log: Context['log']): Promise<void> {
  const report = await takeReport(path.join(folder, FILE));
  if (report === undefined) return;
  observer.stalls++;
  const { message, remedy } = new Failure('LOOP_STALLED', report);
  log.error(message);
  log.error(`Remedy: ${remedy}`);
}

interface Report {
  readonly seconds: number;
  /** ISO time. */
  readonly since: string;
  readonly cause: string;
}

/** Reads a report and removes it. @returns undefined if there is none that can be read */
async function takeReport(file: string): Promise<Report | undefined> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(LONGEST_REPORT));
      await unlink(file);
      return reportIn(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

/** @throws if the text is no report */
function reportIn(text: string): Report {
  const { seconds, since, cause } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  if (typeof seconds !== 'number' || typeof since !== 'number' || typeof cause !== 'string')
    throw new TypeError('no report');
  return { seconds, since: new Date(since * 1000).toISOString(), cause };
}

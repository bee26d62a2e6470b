import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { phases, steps, type LoopStep } from '../telemetry/activity.js';
import { Failure } from '../telemetry/failures.js';
import type { StandardError } from '../output/standard-error.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { RunContext } from './context.js';

const FILE = 'stall.json';
const LONGEST_REPORT = 4096;
/**
 * Steps that a signal may interrupt: in them the kernel may wait for a file of another process to be closed. Others
 * may not: a signal makes the verifier give up a program while it loads.
 */
const INTERRUPTIBLE: readonly LoopStep[] = ['scan of processes', 'scan of sockets'];
/** How long the start waits for the disk with the report, ms. */
const PATIENCE_MS = 1000;

/**
 * Starts a watchdog, unless the settings have none.
 * @returns the failure of the run before, if its watchdog has left a report: to be logged once
 */
export async function startWatchdog(
  telemetry: Telemetry,
  standardError: StandardError,
  { settings, log, io }: RunContext,
): Promise<Failure | undefined> {
  const { watchdogSeconds: seconds, runDir: folder, terminationLog, logFormat } = settings;
  if (seconds === 0) return undefined;
  const late = delay(PATIENCE_MS, undefined, { ref: false });
  const report = await Promise.race([takeReport(path.join(folder, FILE)), late]);
  let stalls = report === undefined ? 0 : 1;
  telemetry.publish({ stalls: () => stalls });
  new io.Watchdog(
    {
      seconds,
      folder,
      terminationLog,
      phases,
      steps,
      cell: telemetry.activity.cell,
      interruptible: INTERRUPTIBLE,
      log: standardError.writer,
      json: logFormat === 'json',
    },
    (seconds, cause) => {
      stalls++;
      log.warning(`The event loop stood still for ${seconds} s, and goes on. It was in ${cause}`);
    },
  );
  return report && new Failure('LOOP_STALLED', report);
}

interface Report {
  readonly seconds: number;
  /** ISO time. */
  readonly since: string;
  readonly cause: string;
}

/** Reads a report and removes it. @returns undefined if there is none */
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

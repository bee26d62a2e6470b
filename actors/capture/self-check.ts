import { execFile, type ExecFileException } from 'node:child_process';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { EmptyError, filter, firstValueFrom, timeout, TimeoutError, type Observable } from 'rxjs';
import type { Driver } from '../../native/index.js';
import { shortageOf } from '../telemetry/shortage.js';
import type { Fact } from './facts.js';
import { RecordType, self_check_record, SelfCheckStep } from './layout.js';

/** A step of the self-check, to be seen by the capture. */
export type SelfCheckStepName = keyof typeof SelfCheckStep;

/** Whether events really flow, from the kernel to the facts. */
export type SelfCheckResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Steps not seen, in the order of the program; at least one. */
      readonly missing: readonly SelfCheckStepName[];
      /** Why, in one line, if it is not the kernel side: the program failed, or the capture ended meanwhile. */
      readonly reason?: string;
      /** Why the program failed; undefined: it did not, or nothing is known of it. */
      readonly problem?: SelfCheckProblem;
      /** The error, where a shortage kept the program from running: see `shortageOf`. */
      readonly shortage?: unknown;
    };

/** Why the program was not started, or failed. */
export type SelfCheckProblem =
  'loopback' | 'connection' | 'missing' | 'permission' | 'format' | 'shortage' | 'killed' | 'hung';

export interface SelfCheckOptions {
  /** How long it may take until everything has been seen, ms; 5000 if not given. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;
/** Most bytes of the program's own account of its failure. */
const MOST_OUTPUT = 4096;

const run = promisify(execFile);

/**
 * Proves the flow of events: runs a program and waits until the facts have shown its four steps: exec, connection
 * opened, connection closed, exit. The kernel side writes them as `RecordType.selfCheck`, which is no event to anybody
 * else. The program has ended when the promise is fulfilled, by SIGKILL if need be. Nothing is thrown.
 *
 * @param facts of the running capture, shared with their other subscribers
 * @param program path of `dist/self-check`, as built by `native/Makefile`
 */
export async function selfCheck(
  facts: Observable<Fact>,
  driver: Pick<Driver, 'selfCheck'>,
  program: string,
  { timeoutMs = TIMEOUT_MS }: SelfCheckOptions = {},
): Promise<SelfCheckResult> {
  const missing = new Set(Object.keys(SelfCheckStep) as SelfCheckStepName[]);
  const reasons: (string | undefined)[] = [];
  let failed: unknown;
  try {
    driver.selfCheck(true);
    const ran = run(program, [], { env: {}, maxBuffer: MOST_OUTPUT });
    // Facts come from the event loop, so none is missed in between.
    const watched = firstValueFrom(
      facts.pipe(
        filter((fact) => takeSeen(fact, missing)),
        timeout({ first: timeoutMs }),
      ),
    );
    const [capture, helper] = await Promise.allSettled([
      watched.finally(() => ran.child.kill('SIGKILL')),
      ran,
    ]);
    if (capture.status === 'rejected') reasons.push(captureFailure(capture.reason));
    if (helper.status === 'rejected') {
      failed = helper.reason;
      reasons.push(programFailure(program, helper.reason as ExecFileException));
    }
  } catch (error) {
    failed = error;
    reasons.push(error instanceof Error ? error.message : String(error));
  }
  switchOff(driver);
  if (missing.size === 0) return { ok: true };
  const reason = reasons.find((one) => one !== undefined);
  // A program killed at the end of the capture is not to blame.
  const problem = reasons[0] === undefined || reasons.length === 1 ? problemOf(failed, program) : undefined;
  return {
    ok: false,
    missing: [...missing],
    ...(reason !== undefined && { reason }),
    ...(problem !== undefined && { problem }),
    ...(shortageOf(failed) !== undefined && { shortage: failed }),
  };
}

/** Removes the steps shown by a fact from `missing`. Returns whether none is left. */
function takeSeen(fact: Fact, missing: Set<SelfCheckStepName>): boolean {
  if (fact.kind !== 'records') return false;
  const { records } = fact;
  for (let at = 0; at < records.length; at += records.size(at)) {
    if (records.type(at) !== RecordType.selfCheck) continue;
    const what = records.u32[(at + self_check_record.what) >> 2];
    for (const step of missing) if (SelfCheckStep[step] === what) missing.delete(step);
  }
  return missing.size === 0;
}

function switchOff(driver: Pick<Driver, 'selfCheck'>): void {
  try {
    driver.selfCheck(false);
  } catch {
    // Closed meanwhile: the programs have gone, and the switch with them.
  }
}

/** Why the facts ended before they showed everything; undefined if they did not. */
function captureFailure(error: unknown): string | undefined {
  if (error instanceof TimeoutError) return undefined;
  if (error instanceof EmptyError) return 'the capture has ended';
  return `the capture has failed: ${error instanceof Error ? error.message : String(error)}`;
}

/** Why the program failed, by its error and by the state of the loopback. */
function problemOf(error: unknown, program: string): SelfCheckProblem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, signal, killed } = error as ExecFileException;
  if (shortageOf(error) !== undefined) return 'shortage';
  if (killed === true) return 'hung';
  if (signal) return 'killed';
  // The program's own words for: it could not connect to itself.
  if (code === 1) return hasLoopback() ? 'connection' : 'loopback';
  // execvp(3) hands a file of no known format to a shell: the shell ends like this, or is not there.
  if (code === 126 || code === 127 || (code === 'ENOENT' && existsSync(program))) return 'format';
  return startProblems[String(code)];
}

/** Why a program is not started, by the error of execve(2). */
const startProblems: Readonly<Record<string, SelfCheckProblem>> = {
  ENOENT: 'missing',
  EACCES: 'permission',
  EPERM: 'permission',
  ENOEXEC: 'format',
};

/** Whether the loopback of this network namespace is up. */
function hasLoopback(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => internal));
}

function programFailure(program: string, { code, signal, killed, stderr }: ExecFileException): string {
  const stderrText = stderr?.trim().replaceAll('\n', '; ') ?? '';
  let how = `fails (${code})`;
  if (killed === true) how = 'does not end by itself';
  else if (signal) how = `was ended by ${signal}`;
  else if (typeof code === 'number') how = `ended with status ${code}`;
  return `${program} ${how}${stderrText === '' ? '' : `: ${stderrText}`}`;
}

import { setTimeout as delay } from 'node:timers/promises';
import type { HostFacts } from '../capture/host.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import { isClosedToModules, MODULE_NAME, readModuleFile, type ModuleKernel } from './inserted-modules.js';

/** The C library's texts for the errors of open(2) and of module system calls, as people search for them. */
const messages: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EAGAIN: 'Resource temporarily unavailable',
  EBADMSG: 'Bad message',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EINVAL: 'Invalid argument',
  EKEYREJECTED: 'Key was rejected by service',
  ENOENT: 'No such file or directory',
  ENOEXEC: 'Exec format error',
  ENOKEY: 'Required key not available',
  ENOMEM: 'Cannot allocate memory',
  ENOSYS: 'Function not implemented',
  EPERM: 'Operation not permitted',
  ETXTBSY: 'Text file busy',
};

/** Longest wait for a module in use, s, and between two attempts, ms. */
const PATIENCE_S = 60;
const PAUSE_MS = 1000;
/** Attempts to remove a module at the end of a run, and between two of them, ms. */
const REMOVALS = 10;
const REMOVAL_PAUSE_MS = 30;

/** The facts that explain a refusal. */
export type ModuleHost = Pick<HostFacts, 'release' | 'lockdown' | 'capabilities' | 'euid'>;

export interface InsertOptions {
  readonly log: Log;
  /** Gives up waiting for a module in use. */
  readonly signal: AbortSignal;
  readonly host: ModuleHost;
  /** Longest wait for a module in use, s. */
  readonly patience?: number;
  /** Between two attempts, ms. */
  readonly pause?: number;
}

/**
 * Inserts Collector's kernel module and opens it. One of ours in its place, left behind by a killed Collector for
 * example, is removed first, as soon as nobody uses it.
 * @param open opens the inserted module; throws an Error with `errno`, by name: then the module is removed again
 * @throws Failure MODULE_MISMATCH, NOT_ROOT_OR_CAPABILITY, MODULE_REFUSED, MODULE_NAME_TAKEN, MODULE_IN_USE; an
 *   AbortError; the errors of `open`; other errors than the kernel's as they are
 */
export async function insertModule<T>(
  path: string,
  kernel: ModuleKernel,
  open: () => T,
  options: InsertOptions,
): Promise<T> {
  const { log, signal, patience = PATIENCE_S, pause = PAUSE_MS } = options;
  const { builtFor, isOurs } = readModuleFile(path);
  if (builtFor !== undefined && !isOurs)
    throw new Failure('MODULE_MISMATCH', { path, reason: "it is not one of this Collector's modules" });
  log.info(`Inserting kernel module ${path} with indefinite removal and retry if required.`);
  const end = performance.now() + patience * 1000;
  for (let isTold = false; ; isTold = true) {
    const outcome = insertOnce(path, kernel, open, options);
    if ('opened' in outcome) return outcome.opened;
    const isLate = performance.now() >= end;
    if (isLate || !isTold) {
      const holder = kernel.holder();
      if (isLate) {
        logRefusal(log, path, outcome.blocked);
        throw new Failure('MODULE_IN_USE', { ...(holder !== undefined && { holder }), seconds: patience });
      }
      log.warning(
        `The kernel module of Collector is in use by ${holder ?? 'another process'}: waiting for its end, ${patience} s at most`,
      );
    }
    await delay(pause, undefined, { signal });
  }
}

/**
 * Removes the module at the end of a run, after its file was closed: something else may hold it a little longer.
 * A failure is logged: nothing runs in a module that nobody has open, and the next start replaces it.
 */
export async function removeModule(kernel: ModuleKernel, log: Log): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const errno = removalError(kernel);
    if (errno === undefined) {
      log.info(`Removed the kernel module ${MODULE_NAME}.`);
      return;
    }
    if (errno === 'ENOENT') return; // somebody else has
    if (errno === 'EAGAIN' && attempt < REMOVALS) {
      await delay(REMOVAL_PAUSE_MS, undefined, { ref: false });
      continue;
    }
    const holder = kernel.holder();
    log.warning(
      `The kernel module ${MODULE_NAME} stays in the kernel, without any hook of this Collector (${errno}` +
        `${holder === undefined ? '' : `, in use by ${holder}`}). The next start replaces it; "rmmod ${MODULE_NAME}" removes it`,
    );
    return;
  }
}

/**
 * Inserts and opens the module, in place of one of ours if need be.
 * @returns the opened module; or the error of the kernel, by name, while a module of ours is in use
 */
function insertOnce<T>(
  path: string,
  kernel: ModuleKernel,
  open: () => T,
  options: InsertOptions,
): { readonly opened: T } | { readonly blocked: string } {
  const blocked =
    insertionError(path, kernel, options) &&
    (makeRoom(path, kernel, options) ?? insertionError(path, kernel, options));
  if (blocked !== undefined) return { blocked };
  try {
    return { opened: open() };
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
    // Another Collector has opened or removed it in between.
    if (errno === 'EBUSY' || errno === 'ENOENT') return { blocked: errno };
    options.log.error('Failed to setup Kernel module');
    removalError(kernel);
    throw error;
  }
}

/** @returns the error of the kernel, by name, if the place is taken; undefined: the module is inserted */
function insertionError(path: string, kernel: ModuleKernel, options: InsertOptions): string | undefined {
  try {
    kernel.insert(path);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST' || errno === 'EBUSY') return errno;
    throw refuse(path, errno, options, error);
  }
}

/**
 * Removes a module of ours.
 * @returns the error of the kernel, by name, while it is in use
 * @throws Failure MODULE_NAME_TAKEN, or as `refuse`
 */
function makeRoom(path: string, kernel: ModuleKernel, options: InsertOptions): string | undefined {
  const present = kernel.find(MODULE_NAME);
  if (present === undefined) return undefined; // it has gone meanwhile
  if (!present.isOurs) {
    logRefusal(options.log, path, 'EEXIST');
    const { version } = present;
    throw new Failure('MODULE_NAME_TAKEN', { name: MODULE_NAME, ...(version !== undefined && { version }) });
  }
  const errno = removalError(kernel);
  if (errno === 'EAGAIN' || errno === 'EBUSY') return errno;
  if (errno !== undefined && errno !== 'ENOENT') throw refuse(path, errno, options);
  options.log.info(`Removed the kernel module ${MODULE_NAME} that an earlier Collector has left.`);
  return undefined;
}

/** Removes the module. @returns the error of the kernel, by name; undefined: it is removed */
function removalError(kernel: ModuleKernel): string | undefined {
  try {
    kernel.remove(MODULE_NAME);
    return undefined;
  } catch (error) {
    return errnoOf(error);
  }
}

/** Logs a refusal by the kernel. @returns its failure */
function refuse(path: string, errno: string, { log, host }: InsertOptions, error?: unknown): Failure {
  logRefusal(log, path, errno);
  const { release, lockdown, capabilities, euid } = host;
  if (errno === 'EPERM' && !capabilities.has('CAP_SYS_MODULE'))
    return new Failure('NOT_ROOT_OR_CAPABILITY', { missing: ['CAP_SYS_MODULE'], euid }, { cause: error });
  const { builtFor } = readModuleFile(path);
  const facts = { release, lockdown, builtFor, isClosed: isClosedToModules() };
  return new Failure('MODULE_REFUSED', { path, errno, ...facts }, { cause: error });
}

function logRefusal(log: Log, path: string, errno: string): void {
  log.error(`Error inserting kernel module: ${path}: ${messages[errno] ?? errno}. Aborting...`);
  log.error('Failed to insert kernel module');
  log.error('Failed to setup Kernel module');
}

/** @throws any error that is none of the kernel's */
function errnoOf(error: unknown): string {
  if (error instanceof Error && 'errno' in error) return String(error.errno);
  throw error;
}

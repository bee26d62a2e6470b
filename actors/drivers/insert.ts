import type { Lockdown } from '../capture/host.js';
import { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';

/** The C library's texts for the errors of open(2) and finit_module(2), as people search for them. */
const messages: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
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

/**
 * Inserts a kernel module; when it returns, the module has started.
 * @param insertModule finit_module(2) for a file; throws an Error with `errno`, the name of the kernel's error
 * @param lockdown of the kernel, for the failure
 * @throws Failure MODULE_REFUSED; other errors than the kernel's as they are
 */
export function insertKernelModule(
  path: string,
  insertModule: (path: string) => void,
  log: Log,
  lockdown: Lockdown = 'unknown',
): void {
  log.info(`Inserting kernel module ${path} with indefinite removal and retry if required.`);
  try {
    insertModule(path);
  } catch (error) {
    if (!(error instanceof Error && 'errno' in error)) throw error;
    const errno = String(error.errno);
    log.error(`Error inserting kernel module: ${path}: ${messages[errno] ?? errno}. Aborting...`);
    log.error('Failed to insert kernel module');
    log.error('Failed to setup Kernel module');
    throw new Failure('MODULE_REFUSED', { path, errno, lockdown }, { cause: error });
  }
}

import { readFileSync } from 'node:fs';
import {
  isProbeError,
  loadAddon,
  type Addon,
  type Driver,
  type DriverOptions,
  type Probe,
  type ProbeError,
  type ProbeOptions,
} from '../../native/index.js';
import { Failure } from '../telemetry/failures.js';
import { shortageOf } from '../telemetry/shortage.js';
import { isTooOld, KERNEL_BTF, oldestKernel, type HostFacts } from './host.js';

export type { Addon, Driver, Probe };

const VERIFIER_LINES = 3;

/**
 * Loads the add-on.
 * @param path `dist/collector.node`
 * @throws Failure OBJECT_UNREADABLE
 */
export function openAddon(path: string): Addon {
  try {
    return loadAddon(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('OBJECT_UNREADABLE', { path, reason }, { cause: error });
  }
}

/** The facts that explain a refusal by the kernel. */
export type KernelFacts = Pick<HostFacts, 'release' | 'lockdown' | 'blockers'>;

/** How to load a driver; the rest of its options follows from where Collector runs. */
type Given<Options extends DriverOptions> = Omit<Options, 'cgroupV1'>;
export type LoadOptions = Given<ProbeOptions>;

/**
 * Loads the BPF programs into the kernel, where they wait to be attached.
 * @param kernel for the failures
 * @throws Failure OBJECT_FOREIGN, LOAD_REFUSED, NO_BPF, NO_BTF, LOCKDOWN, KERNEL_TOO_OLD, KERNEL_LACKS, SHORTAGE
 */
export function loadPrograms(addon: Addon, options: LoadOptions, kernel: KernelFacts): Probe {
  try {
    return new addon.Probe({ ...options, cgroupV1: usesCgroupV1() });
  } catch (error) {
    throw refusal(error, kernel);
  }
}

/**
 * Opens the inserted kernel module, where it waits to be attached.
 * @throws a ProbeError
 */
export function openModule(addon: Addon, options: Given<DriverOptions>): Driver {
  return new addon.Module({ ...options, cgroupV1: usesCgroupV1() });
}

/**
 * Attaches all programs, or none: from here on events gather in the rings, so nothing is missed before the start of
 * capture. A failure closes the driver: nothing stays in the kernel.
 * @throws Failure LOAD_REFUSED, NO_BPF, MODULE_FAILED, SHORTAGE
 */
export function attachPrograms(driver: Driver, kernel: KernelFacts): void {
  try {
    driver.attach();
  } catch (error) {
    driver.close();
    throw refusal(error, kernel);
  }
}

/**
 * Messages of the verifier and libbpf for features missing from a kernel. They say the same of helpers denied by
 * lockdown, so facts come first.
 */
const LACKS = /unknown func|invalid func|cannot use helper|invalid CO-RE relocation|calling kernel function/;
/** Helpers of every kernel since Linux 5.5; lockdown takes them away (LOCKDOWN_BPF_READ_KERNEL). */
const DENIED_BY_LOCKDOWN = /(unknown func|cannot use helper) bpf_probe_read_kernel(_str)?#/;
const NO_KERNEL_BTF = 'failed to find valid kernel BTF';
const NO_TRACEPOINT = /failed to find kernel BTF type ID of '(\w+)'/;

/** The failure behind a ProbeError about a driver, by the facts, then by its text; any other error as it is. */
export function refusal(error: unknown, kernel: KernelFacts): unknown {
  if (!isProbeError(error) || error.operation === 'insert') return error;
  if (error.operation === 'module') return moduleRefusal(error);
  const { release, blockers } = kernel;
  const { subject, errno, log, operation } = error;
  const options = { cause: error };
  if (operation === 'open') {
    const reason = openReason(errno, log);
    return new Failure('OBJECT_FOREIGN', { path: subject, reason }, options);
  }
  const shortage = shortageOf(error);
  if (shortage !== undefined) {
    return new Failure('SHORTAGE', { code: shortage, what: `${operation} of ${subject}` }, options);
  }
  if (errno === 'ENOSYS') return new Failure('NO_BPF', { errno, release }, options);
  if (kernel.lockdown === 'confidentiality' || DENIED_BY_LOCKDOWN.test(log)) {
    return new Failure('LOCKDOWN', { release }, options);
  }
  // Maps come before programs: when one of them is refused, the system call itself is.
  if (operation === 'ring' && (errno === 'EPERM' || errno === 'EACCES')) {
    return new Failure('NO_BPF', { errno, release, blockers }, options);
  }
  const [, tracepoint] = NO_TRACEPOINT.exec(log) ?? [];
  if (tracepoint !== undefined) {
    return new Failure('NO_KERNEL_FEATURE', { lacking: [`tracepoint ${tracepoint}`], release }, options);
  }
  if (log.includes(NO_KERNEL_BTF) || (errno === 'ESRCH' && subject === 'object'))
    return new Failure('NO_BTF', { path: KERNEL_BTF, release }, options);
  const verifier = verifierLines(log);
  if (isLacking(log)) {
    return isTooOld(release)
      ? new Failure('KERNEL_TOO_OLD', { release, oldest: oldestKernel(release) }, options)
      : new Failure('KERNEL_LACKS', { release, program: subject, verifier }, options);
  }
  return new Failure('LOAD_REFUSED', { program: subject, errno, verifier, blockers }, options);
}

/** The failure behind a request that an opened kernel module refused. */
function moduleRefusal(error: ProbeError): Failure {
  const { subject: request, errno } = error;
  const shortage = shortageOf(error);
  return shortage === undefined
    ? new Failure('MODULE_FAILED', { request, errno }, { cause: error })
    : new Failure('SHORTAGE', { code: shortage, what: `${request} of the kernel module` }, { cause: error });
}

/** Whether a program was refused because the kernel lacks a feature, judged by the log of the refusal. */
export function isLacking(log: string): boolean {
  return LACKS.test(log);
}

/** Why an object could not be opened. */
function openReason(errno: string, log: string): string {
  if (errno === 'ENOEXEC') return log;
  return errno.startsWith('LIBBPF_') ? `it is not a whole BPF object (${errno})` : errno;
}

/** The verifier's last lines before its closing summary. */
function verifierLines(log: string): string[] {
  const start = log.lastIndexOf('-- BEGIN PROG LOAD LOG --');
  const end = log.lastIndexOf('-- END PROG LOAD LOG --');
  const lines = (end < 0 ? '' : log.slice(Math.max(start, 0), end)).split('\n');
  return lines.filter((line) => line.trim() !== '' && !/^(processed |-- )/.test(line)).slice(-VERIFIER_LINES);
}

/** With v2 alone, every process is in one cgroup, given by one line that starts with "0::". */
function usesCgroupV1(): boolean {
  return readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .some((line) => line !== '' && !line.startsWith('0::'));
}

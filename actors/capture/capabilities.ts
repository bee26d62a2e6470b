import { Failure } from '../telemetry/failures.js';
import type { Addon } from './driver.js';
import { capabilities, isBefore, type Capability, type HostFacts } from './host.js';
import type { ScannerChoice } from './scanner-choice.js';

/** Needed below /proc: for descriptors and executables of others' processes, and as another user for their folders. */
const FOR_PROCFS: readonly Capability[] = ['CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH'];

/**
 * Checks the capabilities needed for complete scans: a socket missing from a scan counts as closed.
 * @throws Failure NOT_ROOT_OR_CAPABILITY
 */
export function checkScans(
  scans: ScannerChoice['kind'],
  { capabilities: held, euid }: Pick<HostFacts, 'capabilities' | 'euid'>,
): void {
  const needed = euid === 0 ? FOR_PROCFS.slice(0, 1) : FOR_PROCFS;
  const missing = scans === 'procfs' ? needed.filter((one) => !held.has(one)) : [];
  if (missing.length > 0) throw new Failure('NOT_ROOT_OR_CAPABILITY', { missing, euid });
}

/** The first kernel that asks for CAP_BPF only when programs and maps are made, and not for each scan as well. */
const FREE_SCANS = '5.19';

/**
 * Capabilities still needed once the programs are attached. Everything opened by then stays open.
 * @param scans how sockets are scanned
 * @param release of the kernel
 * @param isModule the driver is a kernel module, to be removed at the end
 */
export function neededAfterLoad(
  scans: ScannerChoice['kind'],
  release: string,
  isModule: boolean,
): readonly Capability[] {
  const forProcfs = scans === 'procfs' ? FOR_PROCFS : [];
  if (isModule) return ['CAP_SYS_MODULE', ...forProcfs];
  return isBefore(release, FREE_SCANS) ? ['CAP_BPF', ...forProcfs] : forProcfs;
}

/**
 * Gives up all capabilities but `kept`, for good.
 * @returns a sentence for the log
 */
export function giveUpCapabilities(
  addon: Pick<Addon, 'dropCapabilities'>,
  kept: readonly Capability[],
): string {
  const disobedient = addon.dropCapabilities(kept.map((name) => capabilities[name]));
  const but = kept.length > 0 ? ` but ${kept.join(', ')}` : '';
  const except =
    disobedient > 0 ? `, except in ${disobedient} thread(s) of Node's own that block signals` : '';
  return `Gave up all capabilities${but}${except}.`;
}

import { isProbeError, SCAN_READ_BYTES, type Probe, type ScanProgram } from '../../native/index.js';
import { shortageOf } from '../telemetry/shortage.js';
import { isHostProcfs, ProcfsScanner, type ProcfsOptions } from './procfs/scanner.js';
import { blindScanner, iteratorScanner, withOwned, type Scanner } from './scanner.js';

export interface ScannerNeeds {
  /** undefined: the driver is no BPF programs, and has no iterators. */
  readonly probe: Pick<Probe, 'scan' | 'beginScan' | 'readScan'> | undefined;
  /** Collector sees the pids of the host. */
  readonly hostPids: boolean;
  /** Where the host's root is mounted, without a slash at its end; empty on the host itself. */
  readonly hostRoot: string;
  readonly procfs: Omit<ProcfsOptions, 'folder'>;
}

export interface ScannerChoice {
  readonly scanner: Scanner;
  readonly kind: 'iterators' | 'procfs' | 'partial';
  /** A sentence for the log. */
  readonly why: string;
  /** Mount point of a procfs with all of the scanner's processes, by the same pids; undefined: there is none. */
  readonly procfs: string | undefined;
}

/**
 * Chooses how to scan: by BPF iterators if they run and see all pids, else through the host's /proc if it is in reach,
 * else as far as the iterators see, which is too little to call a socket gone.
 * @throws ProbeError for want of descriptors or memory: this proves nothing about the kernel
 */
export function chooseScanner({ probe, hostPids, hostRoot, procfs }: ScannerNeeds): ScannerChoice {
  const refusal = probe && refusalOf(probe, 'scan_sockets');
  const iterators = refusal === undefined ? probe : undefined;
  const folder = [`${hostRoot}/proc`, '/proc'].find(isHostProcfs);
  if (iterators !== undefined && hostPids) {
    judgeCgroups(iterators);
    return {
      scanner: iteratorScanner(iterators),
      kind: 'iterators',
      why: 'Scans go through BPF iterators.',
      procfs: folder,
    };
  }
  const reason = whyNoIterators(probe !== undefined, hostPids, refusal);
  if (folder !== undefined) {
    const files = new ProcfsScanner({ ...procfs, folder });
    // Listing owned sockets needs no iterator in programs for kernels without types of their own.
    const lists = iterators !== undefined || (probe && refusalOf(probe, 'list_sockets') === undefined);
    const scanner = probe !== undefined && lists === true ? withOwned(files, probe) : files;
    return { scanner, kind: 'procfs', why: `Scans go through ${folder}: ${reason}.`, procfs: folder };
  }
  return {
    scanner: iterators === undefined ? blindScanner : iteratorScanner(iterators),
    kind: 'partial',
    procfs: hostPids ? undefined : '/proc',
    why: hostPids
      ? `${reason}, and ${hostRoot}/proc does not show the host's processes: what ran before Collector started is not ` +
        'seen, and sockets are not scanned.'
      : 'Collector runs in a pid namespace of its own: what ran before it started is not seen, and sockets are not ' +
        "scanned; set hostPID: true in its pod, or mount the host's /proc below COLLECTOR_HOST_ROOT",
  };
}

function whyNoIterators(isBpf: boolean, hostPids: boolean, refusal: string | undefined): string {
  if (!isBpf) return 'BPF iterators are no part of a kernel module';
  return hostPids
    ? `BPF iterators do not run here (${refusal})`
    : 'Collector runs in a pid namespace of its own, beyond which BPF iterators do not see';
}

/**
 * Has the kernel side judge the cgroups of all processes before any is reported: a forged name is found out only when
 * both the forger and the true bearer have been seen.
 */
function judgeCgroups(probe: Pick<Probe, 'beginScan' | 'readScan'>): void {
  const unread = new Uint8Array(SCAN_READ_BYTES);
  probe.beginScan('scan_processes');
  while (probe.readScan('scan_processes', unread, 0) !== 0);
}

/** Why a scan does not run; undefined if it does. */
function refusalOf(probe: Pick<Probe, 'scan'>, program: ScanProgram): string | undefined {
  try {
    probe.scan(program);
    return undefined;
  } catch (error) {
    if (!isProbeError(error) || error.operation !== 'scan' || shortageOf(error) !== undefined) throw error;
    return `${error.subject}: ${error.errno}`;
  }
}

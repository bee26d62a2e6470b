import type { Probe } from '../../native/index.js';
import type { ScanFact } from './facts.js';
import { Records } from './records.js';

/** Lists what runs now, and which sockets there are; whoever does it, the records are those of the kernel side. */
export interface Scanner {
  /** Process records or socket records, in memory of their own. Synchronous; each of them is whole, and none is of Collector. */
  scan(of: ScanFact['of']): Records;
}

/** Scans by BPF iterators: one pass over all namespaces but those of pids, of which they see their reader's. */
export function iteratorScanner(probe: Pick<Probe, 'scan'>): Scanner {
  return { scan: (of) => new Records(probe.scan(of === 'processes' ? 'scan_processes' : 'scan_sockets')) };
}

/** Finds nothing, ever. */
export const blindScanner: Scanner = { scan: () => new Records(new Uint8Array(0)) };

import { SCAN_READ_BYTES, type Probe, type ScanProgram } from '../../native/index.js';
import type { ScanFact } from './facts.js';
import { Records } from './records.js';
import type { Sliced } from './slices.js';

/** Lists what runs now, and which sockets there are; whoever does it, the records are those of the kernel side. */
export interface Scanner {
  /**
   * Process records or socket records; each of them is whole, and none is of Collector. Listening sockets come before the
   * connections of their family and network namespace.
   * @yields a part, which holds until the next is asked for, or undefined: a pause
   * @returns the last part
   */
  scan(of: ScanFact['of']): Generator<Records | undefined, Records>;
}

/** Of a part: some 4,000 sockets, which take 5 ms or so to be listed and folded. */
const PART_BYTES = 512 * 1024;

type ScanProbe = Pick<Probe, 'beginScan' | 'readScan'>;

/**
 * Scans by BPF iterators: one pass over all namespaces but those of pids, of which they see their reader's. Sockets are
 * listed by descriptors first, which gives older ones their owners, then those with an owner.
 */
export function iteratorScanner(probe: ScanProbe): Scanner {
  return {
    scan: (of) => scanBy(probe, of === 'processes' ? ['scan_processes'] : ['scan_sockets', 'list_tcp']),
  };
}

/** Adds the TCP sockets that have an owner to those that a scanner finds by descriptors. */
export function withOwned(scanner: Scanner, probe: ScanProbe): Scanner {
  return {
    *scan(of) {
      const found = yield* scanner.scan(of);
      if (of === 'processes') return found;
      yield found;
      return yield* scanBy(probe, ['list_tcp']);
    },
  };
}

function* scanBy(probe: ScanProbe, programs: readonly ScanProgram[]): Generator<Records, Records> {
  const part = new Uint8Array(PART_BYTES);
  let length = 0;
  for (const program of programs) {
    probe.beginScan(program);
    for (let count; (count = probe.readScan(part, length)) > 0;) {
      length += count;
      if (length + SCAN_READ_BYTES <= PART_BYTES) continue;
      yield new Records(part, length);
      length = 0;
    }
  }
  return new Records(part, length);
}

/** Finds nothing, ever. */
export const blindScanner: Scanner = {
  *scan() {
    yield;
    return new Records(new Uint8Array(0));
  },
};

/** All parts in one, in memory of its own. */
export function* wholeScan(scan: Generator<Records | undefined, Records>): Sliced<Records> {
  const parts: Buffer[] = [];
  for (;;) {
    const { done, value } = scan.next();
    if (done === true && parts.length === 0) return value;
    if (value !== undefined) parts.push(Buffer.from(value.u8.subarray(0, value.length)));
    if (done === true) return new Records(new Uint8Array(Buffer.concat(parts)));
    yield;
  }
}

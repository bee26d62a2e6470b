import { NOTHING_YET, SCAN_READ_BYTES, type Probe, type ScanProgram } from '../../native/index.js';
import { Records } from './records.js';
import type { Sliced } from './slices.js';

/** Lists what runs now, and which sockets there are; whoever does it, the records are those of the kernel side. */
export interface Scanner {
  /**
   * Socket records; each of them is whole, and none is of Collector. Listening sockets come before the
   * connections of their family and network namespace.
   * @yields a part, which holds until the next is asked for, or undefined: a pause
   * @returns the last part
   */
  sockets(): Sliced<Records, Records>;
  /**
   * Process records without arguments: those that have some are marked (`RecordFlag.argsLost`). None is of Collector.
   * Parts may be asked for at any later time, and hold until the next.
   */
  processes(): AsyncGenerator<Records>;
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
    sockets: () => scanBy(probe, ['scan_sockets', 'list_sockets']),
    // eslint-disable-next-line @typescript-eslint/require-await -- as scans by procfs, which wait for a helper
    async *processes() {
      const part = new Uint8Array(SCAN_READ_BYTES);
      probe.beginScan('scan_processes');
      for (let count; (count = probe.readScan('scan_processes', part, 0)) !== 0;)
        yield new Records(part, count === NOTHING_YET ? 0 : count);
    },
  };
}

/** Adds the TCP sockets that have an owner to those that a scanner finds by descriptors. */
export function withOwned(scanner: Scanner, probe: ScanProbe): Scanner {
  return {
    *sockets() {
      const scanned = yield* scanner.sockets();
      yield scanned;
      return yield* scanBy(probe, ['list_sockets']);
    },
    processes: () => scanner.processes(),
  };
}

function* scanBy(probe: ScanProbe, programs: readonly ScanProgram[]): Sliced<Records, Records> {
  const part = new Uint8Array(PART_BYTES);
  let length = 0;
  for (const program of programs) {
    probe.beginScan(program);
    for (let count; (count = probe.readScan(program, part, length)) !== 0;) {
      if (count === NOTHING_YET) {
        yield undefined;
        continue;
      }
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
  *sockets() {
    yield;
    return new Records(new Uint8Array(0));
  },
  async *processes() {
    // nothing
  },
};

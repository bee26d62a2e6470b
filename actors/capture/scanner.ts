import { NOTHING_YET, SCAN_READ_BYTES, type Probe, type ScanProgram } from '../../native/index.js';
import { Records } from './records.js';
import type { Sliced } from './slices.js';

/** Lists the running processes and the sockets there are; every way of scanning gives the kernel side's records. */
export interface Scanner {
  /**
   * Socket records, each of them whole, and none of Collector's. Listening sockets come before the
   * connections of their family and network namespace.
   * @yields a part, valid until the next is asked for, or undefined: a pause
   * @returns the last part
   */
  sockets(): Sliced<Records, Records>;
  /**
   * Process records without arguments, and none of Collector's; `RecordFlag.argsLost` marks a process with arguments.
   * Parts may be asked for at any later time, and are valid until the next.
   */
  processes(): AsyncGenerator<Records>;
}

/** Bytes of a part: some 4,000 sockets, listed and folded in 5 ms or so. */
const PART_BYTES = 512 * 1024;

type ScanProbe = Pick<Probe, 'beginScan' | 'readScan'>;

/**
 * Scans by BPF iterators: one pass over all namespaces, but only over their reader's pid namespace. Sockets are listed
 * by descriptors first, which gives older ones their owners, then those with an owner.
 */
export function iteratorScanner(probe: ScanProbe): Scanner {
  return {
    sockets: () => scanBy(probe, ['scan_sockets', 'list_sockets']),
    // eslint-disable-next-line @typescript-eslint/require-await -- asynchronous like scans by procfs
    async *processes() {
      const part = new Uint8Array(SCAN_READ_BYTES);
      probe.beginScan('scan_processes');
      for (let count; (count = probe.readScan('scan_processes', part, 0)) !== 0;)
        yield new Records(part, count === NOTHING_YET ? 0 : count);
    },
  };
}

/** Adds the TCP sockets with an owner to those that a scanner finds by descriptors. */
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

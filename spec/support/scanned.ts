import type { ScanFact } from '../../actors/capture/facts.js';
import type { Records } from '../../actors/capture/records.js';
import { wholeScan, type Scanner } from '../../actors/capture/scanner.js';

/** All that a scan finds, without its pauses. */
export function scanned(scanner: Scanner, of: ScanFact['of']): Records {
  const scan = wholeScan(scanner.scan(of));
  for (;;) {
    const { done, value } = scan.next();
    if (done === true) return value;
  }
}

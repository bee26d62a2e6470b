import type { ScanFact } from '../../actors/capture/facts.js';
import type { Records } from '../../actors/capture/records.js';
import { wholeScan, type Scanner } from '../../actors/capture/scanner.js';
import { allAtOnce } from '../../actors/capture/slices.js';

/** All that a scan finds, without its pauses. */
export function scanned(scanner: Scanner, of: ScanFact['of']): Records {
  return allAtOnce(wholeScan(scanner.scan(of)));
}

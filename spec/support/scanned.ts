import path from 'node:path';
import { ArgumentReader } from '../../actors/capture/argument-reader.js';
import { withArguments } from '../../actors/capture/arguments.js';
import type { ScanFact } from '../../actors/capture/facts.js';
import { Records } from '../../actors/capture/records.js';
import type { Scanner } from '../../actors/capture/scanner.js';

/** All results of a scan, in one. */
export async function scanned(scanner: Scanner, of: ScanFact['of']): Promise<Records> {
  const parts: Buffer[] = [];
  const add = (records: Records) => parts.push(Buffer.from(records.u8.subarray(0, records.length)));
  if (of === 'processes') {
    for await (const records of scanner.processes()) add(records);
  } else {
    const scan = scanner.sockets();
    for (let is; (is = scan.next()), is.value !== undefined || is.done !== true;) {
      if (is.value !== undefined) add(is.value);
      if (is.done === true) break;
    }
  }
  return new Records(new Uint8Array(Buffer.concat(parts)));
}

/** The processes that a scan finds, with those arguments that can be read. */
export async function scannedWithArguments(scanner: Scanner): Promise<Records> {
  const reader = argumentReader();
  try {
    const parts: Buffer[] = [];
    for await (const records of scanner.processes())
      for await (const { u8, length } of withArguments(records, { reader, knows: () => false }))
        parts.push(Buffer.from(u8.subarray(0, length)));
    return new Records(new Uint8Array(Buffer.concat(parts)));
  } finally {
    reader.close();
  }
}

/** A reader of the arguments of this host's processes. */
export function argumentReader(onProblem: (message: string) => void = () => undefined): ArgumentReader {
  const program = path.resolve(import.meta.dirname, '../../dist/argument-reader');
  return new ArgumentReader({ program, folder: '/proc', onProblem });
}

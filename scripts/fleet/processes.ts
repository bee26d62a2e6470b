import type { RecordsFact, ScanFact } from '../../actors/capture/facts.js';
import { process_record, record_header, RecordType } from '../../actors/capture/layout.js';
import { Records } from '../../actors/capture/records.js';

/** The processes that run on a node by its facts, for the scan that a new reader of signals gets. */
export class RunningProcesses {
  readonly #records = new Map<number, Uint8Array>();

  take({ records }: RecordsFact | ScanFact): void {
    for (let at = 0; at < records.length; at += records.size(at)) {
      const type = records.type(at);
      if (type === RecordType.exit) this.#records.delete(records.pid(at));
      if (type === RecordType.exec || type === RecordType.process)
        this.#records.set(
          records.pid(at),
          Uint8Array.prototype.slice.call(records.u8, at, at + records.size(at)),
        );
    }
  }

  /** @param time of the scan, ns */
  listing(time: number): Records {
    const bytes = new Uint8Array([...this.#records.values()].reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const record of this.#records.values()) {
      bytes.set(record, end);
      end += record.length;
    }
    const records = new Records(bytes);
    for (let at = 0; at < records.length; at += records.size(at)) {
      records.u8[at + record_header.type] = RecordType.process;
      records.u32[(at + process_record.scanner_pid) >> 2] = records.pid(at);
      new DataView(bytes.buffer).setBigUint64(at + record_header.time, BigInt(Math.round(time)), true);
    }
    return records;
  }
}

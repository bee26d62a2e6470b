import { ancestor_record, holder, process_record, record_header, socket_record } from './layout.js';
import { AF_INET6 } from './linux.js';

/** Unit of the upper half of a 64-bit number. */
export const TWO_32 = 0x1_0000_0000;

/**
 * A run of kernel records in one buffer, read in place: `at` is always the byte offset of a record's first byte.
 * The bytes are only valid while their fact is being folded; the next batch overwrites them.
 * Little endian, as are both architectures of Collector.
 */
export class Records {
  readonly u8: Buffer;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** Bytes in use; records fill `[0, length)` without gaps. */
  length: number;

  /** @param bytes records back to back, starting at an 8-byte boundary of their buffer */
  constructor(bytes: Uint8Array<ArrayBuffer>, length: number = bytes.length) {
    const { buffer, byteOffset, byteLength } = bytes;
    this.u8 = Buffer.from(buffer, byteOffset, byteLength);
    this.u16 = new Uint16Array(buffer, byteOffset, byteLength >> 1);
    this.u32 = new Uint32Array(buffer, byteOffset, byteLength >> 2);
    this.length = length;
  }

  /** The record's bytes, header included: where the next one starts. */
  size(at: number): number {
    return this.u16[(at + record_header.size) >> 1]!;
  }

  type(at: number): number {
    return this.u8[at + record_header.type]!;
  }

  flags(at: number): number {
    return this.u8[at + record_header.flags]!;
  }

  /** CLOCK_BOOTTIME in ns; exact to 2 ns for the first 208 days after boot. */
  time(at: number): number {
    return this.u64(at + record_header.time);
  }

  /** The container's number (`layout.h`: CONTAINER_PRESENT and 12 hexadecimal digits), 0 for the host. Exact. */
  container(at: number): number {
    return this.u64(at + record_header.container);
  }

  pid(at: number): number {
    return this.u32[(at + record_header.pid) >> 2]!;
  }

  /** The 64-bit unsigned number at byte `at`, a multiple of 4; exact below 2^53. */
  u64(at: number): number {
    const word = at >> 2;
    return this.u32[word]! + this.u32[word + 1]! * TWO_32;
  }
}

/** Where the variable parts of a process record lie: byte offsets into the same buffer. */
export const processParts = {
  path: (at: number): number => at + process_record.SIZE,
  args: (records: Records, at: number): number =>
    at + process_record.SIZE + records.u16[(at + process_record.path_size) >> 1]!,
  cgroup: (records: Records, at: number): number =>
    processParts.args(records, at) + records.u16[(at + process_record.args_size) >> 1]!,
  lineage: (records: Records, at: number): number =>
    align8(processParts.cgroup(records, at) + records.u16[(at + process_record.cgroup_size) >> 1]!),
  /** The ancestor after the one at `ancestor`. */
  nextAncestor: (records: Records, ancestor: number): number =>
    align8(ancestor + ancestor_record.SIZE + records.u16[(ancestor + ancestor_record.path_size) >> 1]!),
};

/** Where the addresses of a socket record lie, in network byte order: byte offsets into the same buffer. */
export const socketParts = {
  local: (at: number): number => at + socket_record.addresses,
  remote: (records: Records, at: number): number => at + socket_record.addresses + addressSize(records, at),
  end: (records: Records, at: number): number => at + socket_record.addresses + 2 * addressSize(records, at),
};

/** The process holding the socket of the record at `at`, beside its pid and container; `at` must be a socket record. */
export const holderParts = {
  /** Whether the record has one. */
  isThere: (records: Records, at: number): boolean => at + records.size(at) > socketParts.end(records, at),
  /** CLOCK_BOOTTIME, ns; 0: not known. */
  startTime: (records: Records, at: number): number => holderField(records, at, holder.start_time),
  /** Number of the executed program, the same in forks; 0: not known. */
  image: (records: Records, at: number): number => holderField(records, at, holder.image),
};

function holderField(records: Records, at: number, field: number): number {
  return holderParts.isThere(records, at) ? records.u64(socketParts.end(records, at) + field) : 0;
}

/** Bytes of each address in a socket record. */
export function addressSize(records: Records, at: number): number {
  return records.u8[at + socket_record.family] === AF_INET6 ? 16 : 4;
}

/** The next multiple of 8: where a record, or an ancestor in one, may start. */
export function align8(offset: number): number {
  return (offset + 7) & ~7;
}

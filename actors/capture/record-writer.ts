import {
  ancestor_record,
  holder,
  process_record,
  record_header,
  RecordFlag,
  RecordType,
  SOCKET_RECORD_IPV4,
  socket_record,
} from './layout.js';
import { AF_INET6 } from './linux.js';
import { Records, TWO_32 } from './records.js';

/** Capacities of `native/bpf/layout.h`. */
const PATH_CAPACITY = 4096;
const ARGS_CAPACITY = 4096;
const CGROUP_CAPACITY = 1024;
const ANCESTOR_PATH_CAPACITY = 1024;
const LINEAGE_CAPACITY = 10;
const COMM_LENGTH = 15;

const FIRST_BYTES = 64 * 1024;

/** Subject and time of a record. Text has one character for each byte (`latin1`). */
export interface Subject {
  /** CLOCK_BOOTTIME, ns. */
  readonly time: number;
  /** The container's number, 0 for the host. */
  readonly container: number;
  readonly pid: number;
  readonly comm: string;
}

export interface ProcessSubject extends Subject {
  /** Of the thread speaking for it. */
  readonly tid: number;
  /** CLOCK_BOOTTIME, ns. */
  readonly startTime: number;
  readonly ppid: number;
  readonly uid: number;
  readonly gid: number;
  readonly path: string;
  /** argv without argv[0], each with a NUL behind it; undefined if it can't be read. */
  readonly args: string | undefined;
  readonly cgroup: string;
  /** The outermost container around it: the container's number if it is in none. */
  readonly outermost: number;
  /** Nearest first; cut at the capacity of a record. */
  readonly lineage: readonly AncestorSubject[];
  /** There are more ancestors, not looked at. */
  readonly isLineageCut: boolean;
}

export interface AncestorSubject {
  readonly pid: number;
  readonly uid: number;
  readonly path: string;
}

export interface SocketSubject extends Subject {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  /** Words in memory, their bytes in network order. */
  readonly local: Uint32Array;
  readonly remote: Uint32Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly family: number;
  readonly protocol: number;
  readonly role: number;
  readonly state: number;
  /** When its process started, CLOCK_BOOTTIME in ns; given for a listening socket. */
  readonly startTime?: number;
}

/** Writes a scan's records in the kernel side's layout (`native/bpf/layout.h`), into growing memory. */
export class RecordWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = dataViewOf(this.#bytes);
  #length = 0;

  /** All records written, back to back. */
  records(): Records {
    return new Records(this.#bytes, this.#length);
  }

  process(subject: ProcessSubject): void {
    const path = subject.path.slice(-PATH_CAPACITY);
    const args = (subject.args ?? '').slice(0, ARGS_CAPACITY);
    const cgroup = subject.cgroup.slice(-CGROUP_CAPACITY);
    const lineage = subject.lineage.slice(0, LINEAGE_CAPACITY);
    const flags =
      (path === subject.path ? 0 : RecordFlag.pathCut) |
      (args === (subject.args ?? '') ? 0 : RecordFlag.argsCut) |
      (subject.args === undefined ? RecordFlag.argsLost : 0) |
      (cgroup === subject.cgroup ? 0 : RecordFlag.cgroupCut) |
      (subject.isLineageCut || lineage.length < subject.lineage.length ? RecordFlag.lineageCut : 0);

    const at = this.#begin(process_record.SIZE, RecordType.process, flags, subject);
    const view = this.#view;
    this.#time(at + process_record.start_time, subject.startTime);
    view.setUint32(at + process_record.tid, subject.tid, true);
    view.setUint32(at + process_record.scanner_pid, subject.pid, true);
    view.setUint32(at + process_record.ppid, subject.ppid, true);
    view.setUint32(at + process_record.uid, subject.uid, true);
    view.setUint32(at + process_record.gid, subject.gid, true);
    view.setUint16(at + process_record.path_size, path.length, true);
    view.setUint16(at + process_record.args_size, args.length, true);
    view.setUint16(at + process_record.cgroup_size, cgroup.length, true);
    view.setUint16(at + process_record.lineage_count, lineage.length, true);
    view.setBigUint64(at + process_record.outermost, BigInt(subject.outermost), true);
    this.#put(subject.comm.slice(0, COMM_LENGTH), at + process_record.comm);
    this.#append(path + args + cgroup);
    this.#align();
    for (const ancestor of lineage) this.#ancestor(ancestor);
    this.#view.setUint16(at + record_header.size, this.#length - at, true);
  }

  socket(subject: SocketSubject): void {
    const words = subject.family === AF_INET6 ? 4 : 1;
    const own = words === 4 ? socket_record.SIZE : SOCKET_RECORD_IPV4;
    const { startTime } = subject;
    const size = startTime === undefined ? own : own + holder.SIZE;
    const at = this.#begin(size, RecordType.socket, 0, subject);
    if (startTime !== undefined) this.#time(at + own + holder.start_time, startTime);
    const view = this.#view;
    view.setUint32(at + socket_record.cookie, subject.cookieLow, true);
    view.setUint32(at + socket_record.cookie + 4, subject.cookieHigh, true);
    view.setUint16(at + socket_record.local_port, subject.localPort, true);
    view.setUint16(at + socket_record.remote_port, subject.remotePort, true);
    view.setUint8(at + socket_record.family, subject.family);
    view.setUint8(at + socket_record.protocol, subject.protocol);
    view.setUint8(at + socket_record.role, subject.role);
    view.setUint8(at + socket_record.state, subject.state);
    this.#put(subject.comm.slice(0, COMM_LENGTH), at + socket_record.comm);
    const addresses = at + socket_record.addresses;
    for (let word = 0; word < words; word++) {
      view.setUint32(addresses + 4 * word, subject.local[word]!, true);
      view.setUint32(addresses + 4 * (words + word), subject.remote[word]!, true);
    }
  }

  #ancestor({ pid, uid, path }: AncestorSubject): void {
    const cutPath = path.slice(-ANCESTOR_PATH_CAPACITY);
    const at = this.#reserve(ancestor_record.SIZE);
    this.#view.setUint32(at + ancestor_record.pid, pid, true);
    this.#view.setUint32(at + ancestor_record.uid, uid, true);
    this.#view.setUint16(at + ancestor_record.path_size, cutPath.length, true);
    this.#view.setUint16(at + ancestor_record.flags, cutPath === path ? 0 : RecordFlag.pathCut, true);
    this.#append(cutPath);
    this.#align();
  }

  /** Starts a record with a fixed part of `size` bytes, all zero but for its header. */
  #begin(size: number, type: number, flags: number, { time, container, pid }: Subject): number {
    const at = this.#reserve(size);
    const view = this.#view;
    view.setUint16(at + record_header.size, size, true);
    view.setUint8(at + record_header.type, type);
    view.setUint8(at + record_header.flags, flags);
    view.setUint32(at + record_header.pid, pid, true);
    view.setUint32(at + record_header.time, time % TWO_32, true);
    view.setUint32(at + record_header.time + 4, time / TWO_32, true);
    view.setUint32(at + record_header.container, container % TWO_32, true);
    view.setUint32(at + record_header.container + 4, container / TWO_32, true);
    return at;
  }

  #time(at: number, time: number): void {
    this.#view.setUint32(at, time % TWO_32, true);
    this.#view.setUint32(at + 4, time / TWO_32, true);
  }

  #append(text: string): void {
    this.#put(text, this.#reserve(text.length));
  }

  #align(): void {
    this.#reserve(-this.#length & 7);
  }

  #put(text: string, at: number): void {
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
  }

  /** Makes room for zeroed bytes. Returns where they start. */
  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = dataViewOf(larger);
    }
    return at;
  }
}

function dataViewOf({ buffer }: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(buffer);
}

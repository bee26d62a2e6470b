import {
  RecordType,
  SOCKET_RECORD_IPV4,
  SocketRole,
  ancestor_record,
  exit_record,
  holder,
  process_record,
  record_header,
  socket_record,
} from '../../actors/capture/layout.js';
import { Records } from '../../actors/capture/records.js';

/** Builders of synthetic records, byte for byte as `native/bpf/layout.h` has them. Whatever is not given is zero. */

/** What every record has; times are CLOCK_BOOTTIME, ns. */
export interface Header {
  time?: number | bigint;
  /** A container's number, or its 12 hexadecimal digits; 0 is the host. */
  container?: number | string;
  pid?: number;
  /** Bits of `RecordFlag`. */
  flags?: number;
}

export interface Process extends Header {
  startTime?: number | bigint;
  execId?: number;
  ppid?: number;
  uid?: number;
  gid?: number;
  path?: string | Uint8Array;
  /** argv, argv[0] first; or the raw bytes behind argv[0]. */
  args?: readonly string[] | Uint8Array;
  cgroupPath?: string;
  comm?: string;
  /** Number of the program that it executes. */
  image?: number;
  /** Number of the outermost container around its own; its own if not given. */
  outermost?: number;
  /** Nearest ancestor first. */
  lineage?: readonly Ancestor[];
}

export interface Ancestor {
  pid?: number;
  uid?: number;
  path?: string;
  flags?: number;
}

export interface Exit extends Header {
  startTime?: number | bigint;
  exitCode?: number;
  comm?: string;
}

export interface Socket extends Header {
  /** `open` if not given. */
  type?: 'open' | 'close' | 'datagram' | 'listen' | 'unlisten' | 'socket' | 'served';
  cookie?: number | bigint;
  opened?: number | bigint;
  /** Addresses as text; one with a colon makes the socket an IPv6 one. */
  local?: string;
  remote?: string;
  localPort?: number;
  remotePort?: number;
  /** IPPROTO_*; TCP if not given. */
  protocol?: number;
  role?: keyof typeof SocketRole;
  /** TCP_LISTEN for listening sockets and TCP_ESTABLISHED for others if not given. */
  state?: number;
  comm?: string;
  /** Of the process that holds it: when it started, and the number of its program. */
  startTime?: number | bigint;
  image?: number;
}

const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
const TCP_ESTABLISHED = 1;
const TCP_LISTEN = 10;
const CONTAINER_PRESENT = 1n << 48n;

/** `RECORD_EXEC` */
export function execRecord(process: Process = {}): Uint8Array {
  return processBytes(RecordType.exec, process);
}

/** `RECORD_PROCESS`: as a scan finds it */
export function processRecord(process: Process = {}): Uint8Array {
  return processBytes(RecordType.process, process);
}

/** `RECORD_EXIT` */
export function exitRecord(exit: Exit = {}): Uint8Array {
  const { bytes, view } = allocate(exit_record.SIZE, RecordType.exit, exit);
  view.setBigUint64(exit_record.start_time, BigInt(exit.startTime ?? 0), true);
  view.setInt32(exit_record.exit_code, exit.exitCode ?? 0, true);
  writeComm(bytes, exit_record.comm, exit.comm);
  return bytes;
}

/** `RECORD_OPEN`, `_CLOSE`, `_LISTEN`, `_UNLISTEN`, `_SOCKET`, `_DATAGRAM` */
export function socketRecord(socket: Socket = {}): Uint8Array {
  const { type = 'open', local, remote } = socket;
  const isV6 = (local ?? remote ?? '').includes(':');
  const isListening = type === 'listen' || type === 'unlisten';
  const state = socket.state ?? (isListening ? TCP_LISTEN : TCP_ESTABLISHED);
  const isHeld = type === 'listen' || type === 'served' || (type === 'socket' && state === TCP_LISTEN);
  const size = isV6 ? socket_record.SIZE : SOCKET_RECORD_IPV4;
  const { bytes, view } = allocate(isHeld ? size + holder.SIZE : size, RecordType[type], socket);
  if (isHeld) {
    view.setBigUint64(size + holder.start_time, BigInt(socket.startTime ?? 0), true);
    view.setBigUint64(size + holder.image, BigInt(socket.image ?? 0), true);
  }
  view.setBigUint64(socket_record.cookie, BigInt(socket.cookie ?? 0), true);
  view.setBigUint64(socket_record.opened, BigInt(socket.opened ?? 0), true);
  if (local !== undefined) bytes.set(addressBytes(local), socket_record.addresses);
  if (remote !== undefined) bytes.set(addressBytes(remote), socket_record.addresses + (isV6 ? 16 : 4));
  view.setUint16(socket_record.local_port, socket.localPort ?? 0, true);
  view.setUint16(socket_record.remote_port, socket.remotePort ?? 0, true);
  view.setUint8(socket_record.family, isV6 ? AF_INET6 : AF_INET);
  view.setUint8(socket_record.protocol, socket.protocol ?? IPPROTO_TCP);
  view.setUint8(socket_record.role, SocketRole[socket.role ?? 'unknown']);
  view.setUint8(socket_record.state, state);
  writeComm(bytes, socket_record.comm, socket.comm);
  return bytes;
}

/** The records back to back, as one batch or one scan. */
export function batch(...records: readonly Uint8Array[]): Records {
  return new Records(new Uint8Array(Buffer.concat(records)));
}

/** The number of the container whose id starts with these 12 hexadecimal digits. */
export function containerNumber(id: string): number {
  return Number(CONTAINER_PRESENT | BigInt(`0x${id}`));
}

/** The bytes, in network order, of an address written with at most one `::` and maybe a dotted quad at its end. */
export function addressBytes(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.'), Number);
  const hexadecimal = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...quad: string[]) => {
    const [a, b, c, d] = quad.slice(0, 4).map(Number) as [number, number, number, number];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail = ''] = hexadecimal.split('::');
  const before = head.split(':').filter(Boolean);
  const after = tail.split(':').filter(Boolean);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Uint8Array.from(
    [...before, ...zeros, ...after].flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]),
  );
}

function processBytes(type: number, process: Process): Uint8Array {
  const path = text(process.path ?? '');
  const args = process.args instanceof Uint8Array ? process.args : argumentBytes(process.args ?? []);
  const cgroup = text(process.cgroupPath ?? '');
  const lineage = (process.lineage ?? []).map(ancestorBytes);
  const start = process_record.SIZE;
  const lineageStart = align8(start + path.length + args.length + cgroup.length);
  const size = lineage.reduce((sum, { length }) => sum + length, lineageStart);

  const { bytes, view } = allocate(size, type, process);
  view.setBigUint64(process_record.start_time, BigInt(process.startTime ?? 0), true);
  view.setUint32(process_record.scanner_pid, type === RecordType.process ? (process.pid ?? 0) : 0, true);
  view.setUint32(process_record.tid, process.pid ?? 0, true);
  view.setUint32(process_record.exec_id, process.execId ?? 0, true);
  view.setUint32(process_record.ppid, process.ppid ?? 0, true);
  view.setUint32(process_record.uid, process.uid ?? 0, true);
  view.setUint32(process_record.gid, process.gid ?? 0, true);
  view.setUint16(process_record.path_size, path.length, true);
  view.setUint16(process_record.args_size, args.length, true);
  view.setUint16(process_record.cgroup_size, cgroup.length, true);
  view.setUint16(process_record.lineage_count, lineage.length, true);
  view.setBigUint64(process_record.image, BigInt(process.image ?? 0), true);
  view.setBigUint64(process_record.outermost, BigInt(process.outermost ?? 0), true);
  writeComm(bytes, process_record.comm, process.comm);
  bytes.set(path, start);
  bytes.set(args, start + path.length);
  bytes.set(cgroup, start + path.length + args.length);
  bytes.set(Buffer.concat(lineage), lineageStart);
  return bytes;
}

function ancestorBytes(ancestor: Ancestor): Uint8Array {
  const path = text(ancestor.path ?? '');
  const bytes = new Uint8Array(align8(ancestor_record.SIZE + path.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(ancestor_record.pid, ancestor.pid ?? 0, true);
  view.setUint32(ancestor_record.uid, ancestor.uid ?? 0, true);
  view.setUint16(ancestor_record.path_size, path.length, true);
  view.setUint16(ancestor_record.flags, ancestor.flags ?? 0, true);
  bytes.set(path, ancestor_record.SIZE);
  return bytes;
}

function allocate(size: number, type: number, header: Header): { bytes: Uint8Array; view: DataView } {
  const { container = 0, pid = 0 } = header;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(record_header.size, size, true);
  view.setUint8(record_header.type, type);
  view.setUint8(record_header.flags, header.flags ?? 0);
  view.setUint32(record_header.pid, pid, true);
  view.setBigUint64(record_header.time, BigInt(header.time ?? 0), true);
  const number = typeof container === 'string' ? containerNumber(container) : container;
  view.setBigUint64(record_header.container, BigInt(number), true);
  return { bytes, view };
}

/** As the kernel does: cut to 15 bytes and a NUL. */
function writeComm(bytes: Uint8Array, at: number, comm = ''): void {
  bytes.set(text(comm).subarray(0, 15), at);
}

/** As a record has them: what is behind argv[0], each with its NUL. */
function argumentBytes(argv: readonly string[]): Uint8Array {
  return text(
    argv
      .slice(1)
      .map((argument) => `${argument}\0`)
      .join(''),
  );
}

function text(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function align8(offset: number): number {
  return (offset + 7) & ~7;
}

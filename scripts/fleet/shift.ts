import {
  exit_record,
  holder,
  process_record,
  record_header,
  RecordType,
  socket_record,
  SocketRole,
} from '../../actors/capture/layout.js';
import { TCP_LISTEN } from '../../actors/capture/linux.js';
import {
  addressSize,
  holderParts,
  processParts,
  Records,
  socketParts,
  TWO_32,
} from '../../actors/capture/records.js';
import { containerId } from '../../actors/containers/id.js';

/** How a node's copy of recorded facts differs from them. */
export interface Shift {
  /** Added to all times, ns. */
  readonly time: number;
  /** Distinguishes the containers and sockets of this copy, 32 bits. */
  readonly salt: number;
  readonly node: number;
  /** Ports to which clients from the internet connect: each of these connections has a peer of its own. */
  readonly publicPorts: ReadonlySet<number>;
}

/** The recorded pod network: 10.111.0.0/16 and fd00:111::/32. */
const PODS = 111;
const PODS_V6 = 0x0111;
/** Second octet of the first node's pods: 10.128.0.0/9 has 32,768 nodes with a /24 each. */
const FIRST_NODE = 128;
const NODES = 32_768;
/** First octets of public addresses: none of them is private, shared, local or multicast. */
const PUBLIC_FIRST = 20;
const PUBLIC_COUNT = 64;
/** First octet of a global IPv6 address (2000::/3). */
const GLOBAL_V6 = 0x2a;

/** A copy of records, as another node has them at another time: the same events, so the same size on the wire. */
export function shifted(records: Records, shift: Shift): Records {
  const bytes = new Uint8Array(records.length);
  bytes.set(records.u8.subarray(0, records.length));
  const copy = new Records(bytes);
  for (let at = 0; at < copy.length; at += copy.size(at)) shiftRecord(copy, at, shift);
  return copy;
}

function shiftRecord(records: Records, at: number, shift: Shift): void {
  addTime(records, at + record_header.time, shift.time);
  const recorded = records.container(at);
  if (recorded !== 0) setNumber(records, at + record_header.container, salted(recorded, shift.salt));
  switch (records.type(at)) {
    case RecordType.exec:
    case RecordType.process:
      shiftProcess(records, at, shift);
      break;
    case RecordType.exit:
      addTime(records, at + exit_record.start_time, shift.time);
      break;
    case RecordType.selfCheck:
      break;
    default:
      shiftSocket(records, at, shift);
  }
}

function shiftProcess(records: Records, at: number, { time, salt }: Shift): void {
  addTime(records, at + process_record.start_time, time);
  const outermost = records.u64(at + process_record.outermost);
  if (outermost !== 0) setNumber(records, at + process_record.outermost, salted(outermost, salt));
  renameContainers(records, at, salt);
}

/** Renames the containers in the path of a process's cgroup as their numbers are changed. */
function renameContainers(records: Records, at: number, salt: number): void {
  const start = processParts.cgroup(records, at);
  const end = start + records.u16[(at + process_record.cgroup_size) >> 1]!;
  const text = records.u8.toString('latin1', start, end);
  for (const { index } of text.matchAll(/(?<=[/:-])[0-9a-f]{64}/g)) {
    const id = text.slice(index, index + 12);
    records.u8.write(containerId(salted(2 ** 48 + parseInt(id, 16), salt)), start + index, 'latin1');
  }
}

function shiftSocket(records: Records, at: number, shift: Shift): void {
  addTime(records, at + socket_record.opened, shift.time);
  records.u32[(at + socket_record.cookie + 4) >> 2]! ^= shift.salt & 0x7fff_ffff;
  if (holderParts.isThere(records, at))
    addTime(records, socketParts.end(records, at) + holder.start_time, shift.time);
  const size = addressSize(records, at);
  for (const address of [socketParts.local(at), socketParts.remote(records, at)])
    moveToNode(records.u8.subarray(address, address + size), shift.node);
  if (isFromInternet(records, at, shift.publicPorts)) {
    const remote = socketParts.remote(records, at);
    const port = records.u16[(at + socket_record.remote_port) >> 1]!;
    makePublic(records.u8.subarray(remote, remote + size), Math.imul(shift.salt ^ port, 0x9e37_79b1) >>> 0);
  }
}

/** Puts a recorded pod's address into the node's network. */
function moveToNode(address: Uint8Array, node: number): void {
  const v4 = address.length === 4 ? address : mappedV4(address);
  const number = node % NODES;
  if (v4 !== undefined) {
    if (v4[0] !== 10 || v4[1] !== PODS) return;
    v4[1] = FIRST_NODE + (number >> 8);
    v4[2] = number & 255;
  } else if (address[0] === 0xfd && ((address[2]! << 8) | address[3]!) === PODS_V6) {
    address[4] = number >> 8;
    address[5] = number & 255;
  }
}

function makePublic(address: Uint8Array, number: number): void {
  const v4 = address.length === 4 ? address : mappedV4(address);
  if (v4 !== undefined) {
    v4.set([PUBLIC_FIRST + ((number >>> 24) % PUBLIC_COUNT), number >>> 16, number >>> 8, number]);
  } else {
    address.set([GLOBAL_V6, 0, 0, 0, number >>> 24, number >>> 16, number >>> 8, number]);
  }
}

function isFromInternet(records: Records, at: number, ports: ReadonlySet<number>): boolean {
  if (records.u8[at + socket_record.state] === TCP_LISTEN) return false;
  const type = records.type(at);
  if (type === RecordType.listen || type === RecordType.unlisten) return false;
  const role = records.u8[at + socket_record.role];
  return role !== SocketRole.client && ports.has(records.u16[(at + socket_record.local_port) >> 1]!);
}

/** The IPv4 address in `::ffff:a.b.c.d`; undefined: it is another one. */
function mappedV4(address: Uint8Array): Uint8Array | undefined {
  const isMapped =
    address[10] === 0xff && address[11] === 0xff && address.subarray(0, 10).every((byte) => byte === 0);
  return isMapped ? address.subarray(12) : undefined;
}

/** Another container's number, by the lower 32 of its 48 bits. */
function salted(container: number, salt: number): number {
  const high = Math.floor(container / TWO_32);
  return high * TWO_32 + (((container % TWO_32) ^ salt) >>> 0);
}

function addTime(records: Records, at: number, time: number): void {
  const before = records.u64(at);
  if (before !== 0) setNumber(records, at, before + time);
}

function setNumber(records: Records, at: number, value: number): void {
  records.u32[at >> 2] = value % TWO_32;
  records.u32[(at >> 2) + 1] = Math.floor(value / TWO_32);
}

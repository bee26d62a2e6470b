import { record_header, socket_record } from '../capture/layout.js';
import { TWO_32, type Records } from '../capture/records.js';
import { AF_INET, AF_INET6 } from './address.js';

/**
 * The words of each table's rows. The words with most differences come first, since a comparison stops at the first
 * difference. Enums for the same reason as in `layout.ts`.
 */

/**
 * A connection as the kernel sees it. Its role is in the flags. With IPv4 all words after the first of the remote
 * address are 0; with IPv6 the local address goes on at `localRest`.
 */
export enum Flow {
  ports = 0,
  local = 1,
  container = 2,
  tag = 3,
  remote = 4,
  localRest = 8,
  KEY = 11,
  /** Of the process that opened it or listens for it; for people only, as all that follows. */
  pid = 11,
  /** CLOCK_BOOTTIME in ns, low word first; 0: before Collector watched. */
  since = 12,
  WORDS = 14,
}

/**
 * A connection as reported: without the client's port, and without its peer's address where addresses are aggregated.
 * With IPv4 all words after the first of the remote address are 0.
 */
export enum Link {
  port = 0,
  container = 1,
  tag = 2,
  remote = 3,
  WORDS = 7,
}

/**
 * A listening socket, by its cookie, in a container holding it. `served` is 0 in the entry of the originator; the entry
 * of another program serving the port has its originator number there. A port of 0 is not known yet.
 */
export enum ListeningSocket {
  cookie = 0,
  container = 2,
  tag = 3,
  served = 4,
  KEY = 5,
  port = 5,
  pid = 6,
  originator = 7,
  /** Of the process: see `Rank`. */
  rank = 8,
  /** Of the process: CLOCK_BOOTTIME in ns, low word first; 0: not known. */
  startTime = 9,
  /** Of the call of listen(), likewise; for people only: no report depends on it. */
  since = 11,
  /** The address it is bound to; zeros are any address. */
  local = 13,
  WORDS = 17,
}

/** A program that serves a port: it ended connections accepted there. `who` is a holder's image, or its pid. */
export enum Server {
  who = 0,
  container = 2,
  tag = 3,
  port = 4,
  WORDS = 5,
}

/** A listening port, as reported. */
export enum Endpoint {
  port = 0,
  originator = 1,
  container = 2,
  tag = 3,
  WORDS = 4,
}

/** The address of a scanned listening socket; zeros are any address. */
export enum Bind {
  port = 0,
  container = 1,
  tag = 2,
  local = 3,
  WORDS = 7,
}

/** A process with a listening socket on an unknown port. The socket's cookie is payload. */
export enum Unbound {
  pid = 0,
  container = 1,
  tag = 2,
  cookie = 3,
  KEY = 3,
  WORDS = 5,
}

/**
 * The tag: part of every row, next to the low word of its container.
 * Bits 0–16 are the container's upper bits, 17–24 the IP protocol, 25 is set for IPv6. A link has its role in bits
 * 26–27, and bit 28 is set when its remote side is an address and not a network.
 */
const PROTOCOL_SHIFT = 17;
const IPV6 = 1 << 25;
const ROLE_SHIFT = 26;
const IS_ADDRESS = 1 << 28;
const CONTAINER_MASK = (1 << PROTOCOL_SHIFT) - 1;

/** A link's port word: the port, then the prefix length of the remote network. */
const PREFIX_SHIFT = 16;
const PORT_MASK = 0xffff;

/** The role in a flow's flags, above the bits of `activity.ts`. */
const FLOW_ROLE_SHIFT = 3;

/** Writes the container, protocol and family of a record. */
export function writeOwner(
  records: Records,
  at: number,
  key: Uint32Array,
  container: number,
  tag: number,
): void {
  const { u8, u32 } = records;
  const word = (at + record_header.container) >> 2;
  const protocol = u8[at + socket_record.protocol]!;
  key[container] = u32[word]!;
  key[tag] =
    (u32[word + 1]! & CONTAINER_MASK) |
    (protocol << PROTOCOL_SHIFT) |
    (recordFamily(records, at) === AF_INET6 ? IPV6 : 0);
}

/** AF_INET or AF_INET6; the kernel reports no other. */
export function recordFamily(records: Records, at: number): number {
  return records.u8[at + socket_record.family] === AF_INET6 ? AF_INET6 : AF_INET;
}

/** The container as records have it: below 2^49, 0 for the host. */
export function containerOf(low: number, tag: number): number {
  return low + (tag & CONTAINER_MASK) * 0x1_0000_0000;
}

/** How many first words of a flow can differ within its family; see `SlotTable.find`. */
export function flowWords(tag: number): number {
  return (tag & IPV6) === 0 ? Flow.remote + 1 : Flow.KEY;
}

/** How many first words of a link can differ within its family. */
export function linkWords(tag: number): number {
  return (tag & IPV6) === 0 ? Link.remote + 1 : Link.WORDS;
}

/** Rows, read by slot and word: a `SlotTable`. */
interface Rows {
  get(slot: number, word: number): number;
}

interface WritableRows extends Rows {
  set(slot: number, word: number, value: number): void;
}

/** The words of a row for its container and tag. */
export interface OwnerWords {
  readonly container: number;
  readonly tag: number;
}

/** The container of the entry at `slot`, as in records. */
export function containerAt(rows: Rows, slot: number, { container, tag }: OwnerWords): number {
  return containerOf(rows.get(slot, container), rows.get(slot, tag));
}

/** A time or another number of 64 bits in two words of the entry at `slot`, low word first. */
export function u64At(rows: Rows, slot: number, word: number): number {
  return rows.get(slot, word) + rows.get(slot, word + 1) * TWO_32;
}

/** Writes what `u64At` reads. */
export function setU64At(rows: WritableRows, slot: number, word: number, value: number): void {
  rows.set(slot, word, value % TWO_32);
  rows.set(slot, word + 1, Math.floor(value / TWO_32));
}

/** A copy of the local address of the flow at `slot`. */
export function localAddress(flows: Rows, slot: number): Uint32Array {
  return Uint32Array.of(
    flows.get(slot, Flow.local),
    flows.get(slot, Flow.localRest),
    flows.get(slot, Flow.localRest + 1),
    flows.get(slot, Flow.localRest + 2),
  );
}

/** IPPROTO_* */
export function protocolOf(tag: number): number {
  return (tag >>> PROTOCOL_SHIFT) & 0xff;
}

export function familyOf(tag: number): number {
  return (tag & IPV6) === 0 ? AF_INET : AF_INET6;
}

/** The tag of a flow. @param container as in records */
export function flowTag(container: number, protocol: number, family: number): number {
  const upper = Math.floor(container / TWO_32) & CONTAINER_MASK;
  return upper | (protocol << PROTOCOL_SHIFT) | (family === AF_INET6 ? IPV6 : 0);
}

/** `SocketRole` of a link. */
export function linkRole(tag: number): number {
  return (tag >>> ROLE_SHIFT) & 3;
}

export function isAddress(tag: number): boolean {
  return (tag & IS_ADDRESS) !== 0;
}

/** The tag of a flow's link. */
export function linkTag(flowTag: number, role: number, family: number, isAddress: boolean): number {
  return (
    (flowTag & ~IPV6) | (family === AF_INET6 ? IPV6 : 0) | (role << ROLE_SHIFT) | (isAddress ? IS_ADDRESS : 0)
  );
}

/** The local port in a flow's word of both ports, as in a socket record. */
export function localPort(ports: number): number {
  return ports & PORT_MASK;
}

export function remotePort(ports: number): number {
  return ports >>> 16;
}

export function linkPort(port: number, prefix: number): number {
  return port | (prefix << PREFIX_SHIFT);
}

export function portOf(linkPort: number): number {
  return linkPort & PORT_MASK;
}

export function prefixOf(linkPort: number): number {
  return linkPort >>> PREFIX_SHIFT;
}

/** `SocketRole` of a flow; unknown until it is set. */
export function flowRole(flags: number): number {
  return flags >>> FLOW_ROLE_SHIFT;
}

export function withFlowRole(flags: number, role: number): number {
  return (flags & ((1 << FLOW_ROLE_SHIFT) - 1)) | (role << FLOW_ROLE_SHIFT);
}

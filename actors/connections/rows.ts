import { record_header, socket_record } from '../capture/layout.js';
import type { Records } from '../capture/records.js';
import { AF_INET, AF_INET6 } from './address.js';

/**
 * What the words of each table's rows mean. The words that differ most come first, since a comparison stops at the
 * first difference. Enums for the same reason as in `layout.ts`.
 */

/**
 * A connection as the kernel sees it. Its role is in the flags. With IPv4 all after the first word of the remote
 * address is 0; with IPv6 the local address goes on at `localRest`.
 */
export enum Flow {
  ports = 0,
  local = 1,
  container = 2,
  tag = 3,
  remote = 4,
  localRest = 8,
  WORDS = 11,
}

/**
 * A connection as it is reported: without what tells one client, or one use of a port, from another. With IPv4 all
 * after the first word of the remote address is 0.
 */
export enum Link {
  port = 0,
  container = 1,
  tag = 2,
  remote = 3,
  WORDS = 7,
}

/**
 * A listening socket in a container that holds it, told apart by its cookie. `served` is 0 in the entry of its
 * originator, and the number of the originator in that of another program which serves the port. A port of 0 is not
 * known yet.
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
  WORDS = 11,
}

/** A program that serves a port: what it accepted there, it ended. `who` is a holder's image, or its pid. */
export enum Server {
  who = 0,
  container = 2,
  tag = 3,
  port = 4,
  WORDS = 5,
}

/** A port that is listened on, as it is reported. */
export enum Endpoint {
  port = 0,
  originator = 1,
  container = 2,
  tag = 3,
  WORDS = 4,
}

/** Where a scan saw somebody listen; an address of zeros is any address. */
export enum Bind {
  port = 0,
  container = 1,
  tag = 2,
  local = 3,
  WORDS = 7,
}

/** A process with a listening socket whose port is not known yet. The socket's cookie is payload. */
export enum Unbound {
  pid = 0,
  container = 1,
  tag = 2,
  cookie = 3,
  KEY = 3,
  WORDS = 5,
}

/**
 * The tag: every row has one, next to the low word of its container.
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

/** A flow's flags above those of the table. */
const FLOW_ROLE_SHIFT = 2;

/** The words of the container that a record belongs to, and what it says of protocol and family. */
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

/** The first words of a flow that can differ from those of another one of its family; see `Table.find`. */
export function flowWords(tag: number): number {
  return (tag & IPV6) === 0 ? Flow.remote + 1 : Flow.WORDS;
}

/** The same of a link. */
export function linkWords(tag: number): number {
  return (tag & IPV6) === 0 ? Link.remote + 1 : Link.WORDS;
}

/** The local address of the flow at `row`, in a copy. */
export function localAddress(rows: Uint32Array, row: number): Uint32Array {
  const rest = row + Flow.localRest;
  return Uint32Array.of(rows[row + Flow.local]!, rows[rest]!, rows[rest + 1]!, rows[rest + 2]!);
}

/** IPPROTO_* */
export function protocolOf(tag: number): number {
  return (tag >>> PROTOCOL_SHIFT) & 0xff;
}

export function familyOf(tag: number): number {
  return (tag & IPV6) === 0 ? AF_INET : AF_INET6;
}

/** `SocketRole` of a link. */
export function linkRole(tag: number): number {
  return (tag >>> ROLE_SHIFT) & 3;
}

export function isAddress(tag: number): boolean {
  return (tag & IS_ADDRESS) !== 0;
}

/** A flow's tag made that of the link it is reported as. */
export function linkTag(flowTag: number, role: number, family: number, isAddress: boolean): number {
  return (
    (flowTag & ~IPV6) | (family === AF_INET6 ? IPV6 : 0) | (role << ROLE_SHIFT) | (isAddress ? IS_ADDRESS : 0)
  );
}

/** A flow's ports, both in one word as in a socket record. */
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

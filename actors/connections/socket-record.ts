import { socket_record } from '../capture/layout.js';
import { IPPROTO_UDP } from '../capture/linux.js';
import { addressSize, socketParts, type Records } from '../capture/records.js';
import { decodeField } from '../capture/text.js';
import { formatAddress } from './address.js';

const COMM_SIZE = 16;

export function isUdpSocket(records: Records, at: number): boolean {
  return records.u8[at + socket_record.protocol] === IPPROTO_UDP;
}

/** The kernel's name for the process of the socket record at `at`. */
export function socketName(records: Records, at: number): string {
  return decodeField(records.u8, at + socket_record.comm, COMM_SIZE);
}

/** The local address of the socket record at `at` as text. */
export function localText(records: Records, at: number): string {
  return addressText(records, socketParts.local(at), addressSize(records, at));
}

export function remoteText(records: Records, at: number): string {
  return addressText(records, socketParts.remote(records, at), addressSize(records, at));
}

/** IPv4 without a view of its bytes: a view costs more than the text. */
function addressText({ u8 }: Records, at: number, size: number): string {
  if (size === 4) return `${u8[at]!}.${u8[at + 1]!}.${u8[at + 2]!}.${u8[at + 3]!}`;
  return formatAddress(u8.subarray(at, at + size));
}

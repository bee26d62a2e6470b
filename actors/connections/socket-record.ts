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
  return addressText(records, at, socketParts.local(at));
}

export function remoteText(records: Records, at: number): string {
  return addressText(records, at, socketParts.remote(records, at));
}

function addressText(records: Records, at: number, address: number): string {
  return formatAddress(records.u8.subarray(address, address + addressSize(records, at)));
}

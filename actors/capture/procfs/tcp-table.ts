/** A line of /proc/net/tcp, tcp6, udp or udp6, all of the same form. */
export interface TcpRow {
  /** Addresses as words in memory, their bytes in network order; IPv4 takes the first word only. */
  readonly local: Uint32Array;
  readonly remote: Uint32Array;
  localPort: number;
  remotePort: number;
  /** TCP_* of the kernel's net/tcp_states.h. */
  state: number;
  /** 0 for a socket without a descriptor. */
  inode: number;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
const WORD_DIGITS = 8;
/** Fields between a socket's state and its inode: queues, timer, retransmits, uid, timeout. */
const SKIPPED_FIELDS = 5;

/**
 * Visits the sockets in the whole lines of `bytes[0, end)`, all in the same row; other lines, like the heading, are
 * left out.
 * @param words of an address: 1 in tcp and udp, 4 in tcp6 and udp6
 * @returns where the first incomplete line starts
 */
export function readTcpRows(
  bytes: Uint8Array,
  end: number,
  words: 1 | 4,
  row: TcpRow,
  visit: (row: TcpRow) => void,
): number {
  let start = 0;
  for (;;) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0 || newline >= end) return start;
    if (readRow(bytes, start, newline, words, row)) visit(row);
    start = newline + 1;
  }
}

export function emptyTcpRow(): TcpRow {
  return {
    local: new Uint32Array(4),
    remote: new Uint32Array(4),
    localPort: 0,
    remotePort: 0,
    state: 0,
    inode: 0,
  };
}

/** `  12: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60531469 …` */
function readRow(bytes: Uint8Array, start: number, end: number, words: number, row: TcpRow): boolean {
  const number = bytes.indexOf(COLON, start);
  const addressDigits = words * WORD_DIGITS;
  const local = number + 2;
  const remote = local + addressDigits + 6; // its colon, four digits, a space
  const state = remote + addressDigits + 6;
  if (number < 0 || state + 2 > end) return false;
  if (bytes[local + addressDigits] !== COLON || bytes[remote + addressDigits] !== COLON) return false;
  for (let word = 0; word < words; word++) {
    row.local[word] = readHex(bytes, local + word * WORD_DIGITS, WORD_DIGITS);
    row.remote[word] = readHex(bytes, remote + word * WORD_DIGITS, WORD_DIGITS);
  }
  row.localPort = readHex(bytes, local + addressDigits + 1, 4);
  row.remotePort = readHex(bytes, remote + addressDigits + 1, 4);
  row.state = readHex(bytes, state, 2);
  let at = state + 2;
  for (let field = 0; field < SKIPPED_FIELDS; field++) at = fieldEnd(bytes, at, end);
  row.inode = readDecimal(bytes, at, end);
  return true;
}

/** Where the next field ends. */
function fieldEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] === SPACE) at++;
  while (at < end && bytes[at] !== SPACE) at++;
  return at;
}

function readHex(bytes: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    const byte = bytes[i]!;
    value = value * 16 + (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);
  }
  return value;
}

function readDecimal(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] === SPACE) at++;
  let value = 0;
  for (; at < end && bytes[at] !== SPACE; at++) value = value * 10 + bytes[at]! - 0x30;
  return value;
}

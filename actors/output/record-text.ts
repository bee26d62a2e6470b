/** A record in words for the log. Arguments stay out of it: they may hold secrets. */
import { exit_record, process_record, RecordType, SocketRole, socket_record } from '../capture/layout.js';
import { processPath } from '../capture/process-record.js';
import { processParts, type Records } from '../capture/records.js';
import { decodeField } from '../capture/text.js';
import { isUdpSocket, localText, remoteText, socketName, withPort } from '../connections/socket-record.js';
import { containerId } from '../containers/id.js';

const COMM_SIZE = 16;
const ARROWS: readonly string[] = ['–', '←', '→'];

/** `container 4f2a91bc03de`, or `the host`. */
export function containerText(container: number): string {
  return container === 0 ? 'the host' : `container ${containerId(container)}`;
}

/** One line for the record at `at`. */
export function recordText(records: Records, at: number): string {
  const type = records.type(at);
  const head = `${RecordType[type]} in ${containerText(records.container(at))}, pid ${records.pid(at)}`;
  switch (type) {
    case RecordType.exec:
    case RecordType.process: {
      const { u32 } = records;
      const [ppid, uid] = [u32[(at + process_record.ppid) >> 2]!, u32[(at + process_record.uid) >> 2]!];
      const bytes = processParts.cgroup(records, at) - processParts.args(records, at);
      return `${head}: ${processPath(records, at)}, parent ${ppid}, uid ${uid}, ${bytes} bytes of arguments`;
    }
    case RecordType.exit: {
      const code = records.u32[(at + exit_record.exit_code) >> 2]!;
      const name = decodeField(records.u8, at + exit_record.comm, COMM_SIZE);
      return `${head}: ${name}, status ${code >>> 8}, signal ${code & 0x7f}`;
    }
    case RecordType.selfCheck:
      return head;
    default:
      return `${head}: ${socketText(records, at)}`;
  }
}

/** Program, protocol and both sides of the socket in the record at `at`; of a listening one its own side. */
export function socketText(records: Records, at: number): string {
  const port = (field: number) => records.u16[(at + field) >> 1]!;
  const local = withPort(records, at, localText(records, at), port(socket_record.local_port));
  const head = `${socketName(records, at)}, ${isUdpSocket(records, at) ? 'UDP' : 'TCP'} ${local}`;
  if (port(socket_record.remote_port) === 0) return head;
  const remote = withPort(records, at, remoteText(records, at), port(socket_record.remote_port));
  return `${head} ${ARROWS[records.u8[at + socket_record.role]!] ?? '–'} ${remote}`;
}

/** The server's side of the socket in the record at `at`: all clients of one peer have the same. */
export function serverText(records: Records, at: number): string {
  const isServer =
    records.u8[at + socket_record.role] === SocketRole.server ||
    records.u16[(at + socket_record.remote_port) >> 1] === 0;
  const field = isServer ? socket_record.local_port : socket_record.remote_port;
  const address = isServer ? localText(records, at) : remoteText(records, at);
  return withPort(records, at, address, records.u16[(at + field) >> 1]!);
}

/** Whether the record at `at` is of a socket. */
export function isSocketRecord(records: Records, at: number): boolean {
  const type = records.type(at);
  return type >= RecordType.open && type !== RecordType.selfCheck;
}

/**
 * Byte offsets of the records that the kernel writes: the TypeScript reading of `native/bpf/layout.h`, where every field
 * is explained. `spec/native/layout.spec.ts` proves that both agree, so change them together.
 *
 * Enums, because the bundler writes their numbers wherever they are used. V8 would look up an object's property, and
 * check that it is still what it was, for each field of each record.
 */

export enum RecordType {
  exec = 1,
  process = 2,
  exit = 3,
  open = 4,
  close = 5,
  listen = 6,
  unlisten = 7,
  socket = 8,
  selfCheck = 9,
  datagram = 10,
}

export enum RecordFlag {
  pathCut = 1,
  argsCut = 2,
  argsLost = 4,
  cgroupCut = 8,
  lineageCut = 16,
}

/** `enum socket_role`; the numbers are also those of `sensor.ClientServerRole` on the wire. */
export enum SocketRole {
  unknown = 0,
  server = 1,
  client = 2,
}

/** `enum self_check`: what the self-check did. */
export const SelfCheckStep = { exec: 1, open: 2, close: 3, exit: 4 } as const;

/** Most bytes that one record can have. */
export const RECORD_CAPACITY = 24576;

export enum record_header {
  size = 0,
  type = 4,
  flags = 6,
  time = 8,
  container = 16,
  cgroup = 24,
  pid = 32,
  tid = 36,
  SIZE = 40,
}

export enum process_record {
  header = 0,
  start_time = 40,
  ppid = 48,
  uid = 52,
  gid = 56,
  path_size = 60,
  args_size = 62,
  cgroup_size = 64,
  lineage_count = 66,
  reserved = 68,
  comm = 72,
  SIZE = 88,
}

export enum ancestor_record {
  pid = 0,
  uid = 4,
  path_size = 8,
  flags = 10,
  reserved = 12,
  SIZE = 16,
}

export enum exit_record {
  header = 0,
  start_time = 40,
  exit_code = 48,
  reserved = 52,
  comm = 56,
  SIZE = 72,
}

export enum socket_record {
  header = 0,
  cookie = 40,
  opened = 48,
  local_address = 56,
  remote_address = 72,
  local_port = 88,
  remote_port = 90,
  family = 92,
  protocol = 94,
  role = 95,
  state = 96,
  reserved = 97,
  comm = 104,
  SIZE = 120,
}

export enum self_check_record {
  header = 0,
  what = 40,
  reserved = 44,
  SIZE = 48,
}

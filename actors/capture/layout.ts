/**
 * Byte offsets in the kernel's records: the TypeScript reading of `native/bpf/layout.h`, where every field is
 * explained. `spec/native/layout.spec.ts` proves their agreement, so change both together.
 *
 * Enums, because the bundler writes their numbers into the code. With an object, V8 would look up a property, and check
 * it for changes, for each field of each record.
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
  served = 11,
}

export enum RecordFlag {
  pathCut = 1,
  argsCut = 2,
  argsLost = 4,
  cgroupCut = 8,
  lineageCut = 16,
  owned = 32,
  held = 64,
  listener = 128,
}

/** `enum record_flag`, flags of process records alone: other records use the same numbers. */
export enum ProcessFlag {
  arrived = 32,
  helper = 64,
}

/** `enum socket_role`; the numbers are also those of `sensor.ClientServerRole` on the wire. */
export enum SocketRole {
  unknown = 0,
  server = 1,
  client = 2,
}

/** `enum self_check`: steps of the self-check. */
export const SelfCheckStep = { exec: 1, open: 2, close: 3, exit: 4 } as const;

/** Most bytes of one record. */
export const RECORD_CAPACITY = 24576;

export enum record_header {
  size = 0,
  type = 2,
  flags = 3,
  pid = 4,
  time = 8,
  container = 16,
  SIZE = 24,
}

export enum process_record {
  header = 0,
  start_time = 24,
  cgroup = 32,
  tid = 40,
  ppid = 44,
  uid = 48,
  gid = 52,
  path_size = 56,
  args_size = 58,
  cgroup_size = 60,
  lineage_count = 62,
  comm = 64,
  exec_id = 80,
  scanner_pid = 84,
  image = 88,
  outermost = 96,
  SIZE = 104,
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
  start_time = 24,
  exit_code = 32,
  reserved = 36,
  comm = 40,
  SIZE = 56,
}

export enum socket_record {
  header = 0,
  cookie = 24,
  opened = 32,
  local_port = 40,
  remote_port = 42,
  family = 44,
  protocol = 45,
  role = 46,
  state = 47,
  comm = 48,
  addresses = 64,
  SIZE = 96,
}

export enum holder {
  start_time = 0,
  image = 8,
  SIZE = 16,
}

/** Bytes of an AF_INET socket's record, with its shorter addresses. */
export const SOCKET_RECORD_IPV4 = 72;

export enum self_check_record {
  header = 0,
  what = 24,
  reserved = 28,
  SIZE = 32,
}

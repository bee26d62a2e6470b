/**
 * The form of a recording: all facts of a run, to be folded again elsewhere.
 *
 * A file is the magic number, then frames. A frame is a header of 24 bytes, little endian (u32 kind, u32 bytes of
 * payload, f64 time, f64 epoch) and its payload, filled up with zeros to a multiple of 8. Records are as the kernel
 * wrote them (layout.ts); the payloads of `start`, `containers` and `lifecycle` are JSON. The last frame is `end`: if
 * it is missing, the run was killed or the file is cut.
 */
import { cidr } from '../settings/cidr.js';
import { EXTERNAL_IPS, MOST_CONNECTIONS_PER_MINUTE, type RuntimeConfig } from '../settings/runtime-config.js';
import {
  ancestor_record,
  exit_record,
  holder,
  process_record,
  RECORD_CAPACITY,
  record_header,
  RecordType,
  self_check_record,
  SOCKET_RECORD_IPV4,
  socket_record,
  SocketRole,
} from './layout.js';
import {
  NETWORK_WORDS,
  type Audience,
  type ConfigFact,
  type ContainerMetadata,
  type ContainersFact,
  type ControlFact,
  type RecordedFact,
  type ScanFact,
  type StartFact,
  type StateSettings,
} from './facts.js';
import { decodeLifecycle, encodeLifecycle } from './lifecycle-messages.js';
import { AF_INET, AF_INET6, TCP_LISTEN } from './linux.js';
import { processParts, Records, socketParts } from './records.js';

/** Eight bytes; the digit is the version of the form. */
export const MAGIC = Buffer.from('CLCTREC3', 'latin1');
export const FRAME_HEADER = 24;
/**
 * Most bytes of payload. Batches and parts of scans have a few MiB; the largest payload has 10,000 containers with all
 * their labels at once.
 */
export const FRAME_CAPACITY = 64 * 1024 * 1024;

const FrameKind = {
  start: 1,
  records: 2,
  processes: 3,
  sockets: 4,
  tick: 5,
  processesToFresh: 6,
  processesToNobody: 7,
  control: 8,
  config: 9,
  socketsFirst: 10,
  socketsNext: 11,
  socketsLast: 12,
  containers: 13,
  end: 14,
  clock: 15,
  socketsAfterLoss: 16,
  socketsLastAfterLoss: 17,
  lifecycle: 18,
} as const;

/** In the order of the numbers, a word each, that ticks have for them in their payloads. */
const audiences: readonly Audience[] = ['same', 'fresh', 'none'];
const parts = ['first', 'next', 'last'] as const;

/** First kind of the parts of process scans; their kinds go by part and audience. */
const PROCESS_PARTS = 32;
const FRAME_KINDS = new Set<number>([
  ...Object.values(FrameKind),
  ...parts.flatMap((_, part) =>
    audiences.map((_, audience) => PROCESS_PARTS + part * audiences.length + audience),
  ),
]);

/** Bounds of times and of the epoch, ns: their sums are years of four digits, as RFC 3339 has them. */
const MOST_TIME = 2 ** 64;
const MOST_EPOCH = 2 ** 67;
/** Most seconds in a setting. */
const MOST_SECONDS = 1e9;

/** The bit in the number of a container. */
const CONTAINER_PRESENT = 2 ** 48;

const NOT_GIVEN = 0xffff_ffff;
const NO_PAYLOAD = new Uint8Array(0);

/** A fact as a frame: its header, then its payload, not copied. */
export function encodeFrame(fact: RecordedFact): readonly [header: Uint8Array, payload: Uint8Array] {
  switch (fact.kind) {
    case 'start': {
      const { seed, settings } = fact;
      const text = Buffer.from(JSON.stringify({ seed, settings }));
      return [header(FrameKind.start, text.length, fact.time, fact.epoch), text];
    }
    case 'records':
      return recordsFrame(FrameKind.records, fact.time, fact.records);
    case 'scan':
      return recordsFrame(scanKind(fact), fact.time, fact.records);
    case 'control':
      return controlFrame(fact);
    case 'config': {
      const { externalIps, maxConnectionsPerMinute } = fact;
      const payload = bytesOf(Uint32Array.of(EXTERNAL_IPS.indexOf(externalIps), maxConnectionsPerMinute));
      return [header(FrameKind.config, payload.length, fact.time, 0), payload];
    }
    case 'containers': {
      const { updated, removed } = fact;
      const text = Buffer.from(JSON.stringify({ told: updated, removed }));
      return [header(FrameKind.containers, text.length, fact.time, 0), text];
    }
    case 'clock':
      return [header(FrameKind.clock, 0, fact.time, fact.epoch), NO_PAYLOAD];
    case 'tick': {
      const payload = bytesOf(Uint32Array.of(audiences.indexOf(fact.audience)));
      return [header(FrameKind.tick, payload.length, fact.time, fact.epoch), payload];
    }
    case 'lifecycle': {
      const payload = encodeLifecycle(fact.messages);
      return [header(FrameKind.lifecycle, payload.length, fact.time, 0), payload];
    }
  }
}

/** The frame behind the last fact of a completed run. */
export function endFrame(): Uint8Array {
  return header(FrameKind.end, 0, 0, 0);
}

export function isEnd({ kind }: FrameHeader): boolean {
  return kind === FrameKind.end;
}

/** Zeros that follow a payload of so many bytes. */
export function padding(length: number): number {
  return -length & 7;
}

/** Fields of a frame's header. */
export interface FrameHeader {
  readonly kind: number;
  readonly length: number;
  readonly time: number;
  readonly epoch: number;
}

/** @throws Error if it is not the header of a frame */
export function decodeHeader(bytes: Buffer): FrameHeader {
  const kind = bytes.readUInt32LE(0);
  const length = bytes.readUInt32LE(4);
  const time = bytes.readDoubleLE(8);
  const epoch = bytes.readDoubleLE(16);
  if (!FRAME_KINDS.has(kind)) throw new Error(`a frame of unknown kind ${kind}`);
  if (length > FRAME_CAPACITY) throw new Error(`a frame of ${length} bytes, more than ${FRAME_CAPACITY}`);
  if (!isBetween(time, -MOST_TIME, MOST_TIME) || !isBetween(epoch, -MOST_TIME, MOST_EPOCH))
    throw new Error('a frame without a valid time');
  return { kind, length, time, epoch };
}

/**
 * The fact in a frame.
 * @throws Error if the payload does not fit the header; every record is checked, since the state trusts them
 */
export function decodeFrame(
  { kind, time, epoch }: FrameHeader,
  payload: Uint8Array<ArrayBuffer>,
): RecordedFact {
  switch (kind) {
    case FrameKind.start:
      return decodeStartFact(payload, time, epoch);
    case FrameKind.tick: {
      const [word = NaN] = wordsOf(payload);
      const audience = audiences[word];
      if (audience === undefined) throw new Error('a tick for nobody known');
      return { kind: 'tick', time, epoch, audience };
    }
    case FrameKind.clock:
      return { kind: 'clock', time, epoch };
    case FrameKind.control:
      return decodeControlFact(payload, time);
    case FrameKind.config:
      return decodeConfigFact(payload, time);
    case FrameKind.containers:
      return decodeContainersFact(payload, time);
    case FrameKind.lifecycle:
      return { kind: 'lifecycle', time, messages: decodeLifecycle(payload) };
    case FrameKind.records:
      return { kind: 'records', time, records: assertRecords(new Records(payload)) };
    case FrameKind.sockets:
    case FrameKind.socketsFirst:
    case FrameKind.socketsNext:
    case FrameKind.socketsLast:
    case FrameKind.socketsAfterLoss:
    case FrameKind.socketsLastAfterLoss: {
      const afterLoss = kind === FrameKind.socketsAfterLoss || kind === FrameKind.socketsLastAfterLoss;
      const part = parts.find((part) => partKinds[part] === kind || lossKinds[part] === kind);
      return {
        kind: 'scan',
        of: 'sockets',
        ...(part && { part }),
        ...(afterLoss && { afterLoss }),
        audience: 'same',
        time,
        records: assertRecords(new Records(payload)),
      };
    }
    default: {
      const part = parts[Math.floor((kind - PROCESS_PARTS) / audiences.length)];
      const audience =
        part === undefined
          ? audiences.find((audience) => scanKinds[audience] === kind)
          : audiences[(kind - PROCESS_PARTS) % audiences.length];
      return {
        kind: 'scan',
        of: 'processes',
        ...(part !== undefined && { part }),
        audience: audience!,
        time,
        records: assertRecords(new Records(payload)),
      };
    }
  }
}

function header(kind: number, length: number, time: number, epoch: number): Uint8Array {
  const bytes = Buffer.alloc(FRAME_HEADER);
  bytes.writeUInt32LE(kind, 0);
  bytes.writeUInt32LE(length, 4);
  bytes.writeDoubleLE(time, 8);
  bytes.writeDoubleLE(epoch, 16);
  return bytes;
}

function recordsFrame(kind: number, time: number, records: Records): readonly [Uint8Array, Uint8Array] {
  return [header(kind, records.length, time, 0), records.u8.subarray(0, records.length)];
}

const scanKinds: Readonly<Record<Audience, number>> = {
  same: FrameKind.processes,
  fresh: FrameKind.processesToFresh,
  none: FrameKind.processesToNobody,
};

const partKinds = {
  first: FrameKind.socketsFirst,
  next: FrameKind.socketsNext,
  last: FrameKind.socketsLast,
} as const;
/** Of scans after a loss, marked on the last part alone. */
const lossKinds = { first: NaN, next: NaN, last: FrameKind.socketsLastAfterLoss } as const;

function scanKind({ of, part, afterLoss, audience }: ScanFact): number {
  if (of === 'processes') {
    if (part === undefined) return scanKinds[audience];
    return PROCESS_PARTS + parts.indexOf(part) * audiences.length + audiences.indexOf(audience);
  }
  if (afterLoss === true) return part === undefined ? FrameKind.socketsAfterLoss : lossKinds[part];
  return part === undefined ? FrameKind.sockets : partKinds[part];
}

/** Each list is its length in words, or `NOT_GIVEN`, then the words. */
function controlFrame({ time, publicAddresses, networks }: ControlFact): readonly [Uint8Array, Uint8Array] {
  const words = [publicAddresses, networks].flatMap((list) => [
    Uint32Array.of(list === undefined ? NOT_GIVEN : list.length),
    list ?? new Uint32Array(0),
  ]);
  const payload = Buffer.concat(words.map(bytesOf));
  return [header(FrameKind.control, payload.length, time, 0), payload];
}

function decodeControlFact(payload: Uint8Array<ArrayBuffer>, time: number): ControlFact {
  const words = wordsOf(payload);
  let at = 0;
  const list = (): Uint32Array<ArrayBuffer> | undefined => {
    const length = words[at++];
    if (length === NOT_GIVEN) return undefined;
    if (length === undefined || length % NETWORK_WORDS !== 0 || at + length > words.length)
      throw new Error('a control message that is cut');
    at += length;
    const rows = words.slice(at - length, at);
    if (!areNetworks(rows)) throw new Error('a control message with a network that is none');
    return rows;
  };
  const publicAddresses = list();
  const networks = list();
  return {
    kind: 'control',
    time,
    ...(publicAddresses && { publicAddresses }),
    ...(networks && { networks }),
  };
}

function decodeConfigFact(payload: Uint8Array<ArrayBuffer>, time: number): ConfigFact {
  const [word = NaN, maxConnectionsPerMinute] = wordsOf(payload);
  const externalIps = EXTERNAL_IPS[word];
  if (externalIps === undefined || !isConnectionsPerMinute(maxConnectionsPerMinute))
    throw new Error('a runtime configuration that is none');
  return { kind: 'config', time, externalIps, maxConnectionsPerMinute };
}

function decodeContainersFact(payload: Uint8Array, time: number): ContainersFact {
  const { told: updated, removed } = JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
  if (
    !Array.isArray(updated) ||
    !updated.every(isMetadata) ||
    !Array.isArray(removed) ||
    !removed.every(isContainerId)
  )
    throw new Error('containers that are none');
  return { kind: 'containers', time, updated, removed };
}

function isMetadata(value: unknown): value is ContainerMetadata {
  if (typeof value !== 'object' || value === null) return false;
  const { id, labels, ...texts } = value as Record<string, unknown>;
  const { namespace, pod, podUid, name, image, imageDigest } = texts;
  return (
    isContainerId(id) &&
    typeof labels === 'object' &&
    labels !== null &&
    [namespace, pod, podUid, name, image, imageDigest, ...(Object.values(labels) as unknown[])].every(
      (text) => typeof text === 'string',
    )
  );
}

function isContainerId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{12}$/.test(value);
}

function isConnectionsPerMinute(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_CONNECTIONS_PER_MINUTE;
}

function areNetworks(rows: Uint32Array): boolean {
  for (let at = 0; at < rows.length; at += NETWORK_WORDS) {
    const bits = rows[at] === AF_INET ? 32 : rows[at] === AF_INET6 ? 128 : -1;
    if (rows[at + 1]! > bits) return false;
  }
  return true;
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function wordsOf(bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

function decodeStartFact(payload: Uint8Array, time: number, epoch: number): StartFact {
  const { seed, settings: recorded } = JSON.parse(Buffer.from(payload).toString()) as StartFact;
  // Recordings from before there was a runtime configuration were made as if there were no limit, and without UDP.
  const settings: StateSettings = {
    externalIps: 'none',
    maxConnectionsPerMinute: MOST_CONNECTIONS_PER_MINUTE,
    dropIgnored: false,
    ...(recorded as Partial<StateSettings> & Omit<StateSettings, keyof RuntimeConfig | 'dropIgnored'>),
  };
  if (typeof seed !== 'string' || !/^[0-9a-f]{15}$/.test(seed) || !isStateSettings(settings))
    throw new Error('a start without its settings');
  return { kind: 'start', time, epoch, seed, settings };
}

/** The settings were validated before the recording; this only finds out a file that is something else. */
function isStateSettings(settings: unknown): boolean {
  if (typeof settings !== 'object' || settings === null) return false;
  const s = settings as Record<string, unknown>;
  const isList = (value: unknown) => Array.isArray(value) && value.every(isNetwork);
  return (
    (s['scope'] === 'containers' || s['scope'] === 'all') &&
    (s['format'] === 'json' || s['format'] === 'compact') &&
    isBetween(s['scrapeInterval'], 0, MOST_SECONDS) &&
    isBetween(s['afterglowPeriod'], 0, MOST_SECONDS) &&
    isBetween(s['processTableSize'], 1, Number.MAX_SAFE_INTEGER) &&
    typeof s['endpoints'] === 'boolean' &&
    typeof s['originators'] === 'boolean' &&
    typeof s['networkDisabled'] === 'boolean' &&
    typeof s['dropIgnored'] === 'boolean' &&
    EXTERNAL_IPS.some((name) => name === s['externalIps']) &&
    isConnectionsPerMinute(s['maxConnectionsPerMinute']) &&
    isList(s['ignoredNetworks']) &&
    isList(s['nonAggregatedNetworks'])
  );
}

/** Refuses NaN, too. */
function isBetween(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function isNetwork(value: unknown): boolean {
  return typeof value === 'string' && 'value' in cidr.parse(value);
}

const sizes: ReadonlyMap<number, number> = new Map<number, number>([
  [RecordType.exec, process_record.SIZE],
  [RecordType.process, process_record.SIZE],
  [RecordType.exit, exit_record.SIZE],
  [RecordType.open, SOCKET_RECORD_IPV4],
  [RecordType.close, SOCKET_RECORD_IPV4],
  [RecordType.listen, SOCKET_RECORD_IPV4],
  [RecordType.unlisten, SOCKET_RECORD_IPV4],
  [RecordType.socket, SOCKET_RECORD_IPV4],
  [RecordType.datagram, SOCKET_RECORD_IPV4],
  [RecordType.served, SOCKET_RECORD_IPV4],
  [RecordType.selfCheck, self_check_record.SIZE],
]);

function assertRecords(records: Records): Records {
  for (let at = 0; at < records.length; at += records.size(at)) {
    if (!isRecord(records, at)) throw new Error(`a malformed record ${at} bytes into a frame`);
  }
  return records;
}

function isRecord(records: Records, at: number): boolean {
  const room = records.length - at;
  if (room < record_header.SIZE) return false;
  const size = records.size(at);
  const type = records.type(at);
  const fixed = sizes.get(type);
  if (fixed === undefined || size < fixed || size > Math.min(room, RECORD_CAPACITY) || size % 8 !== 0)
    return false;
  if (!isContainer(records.container(at))) return false;
  switch (fixed) {
    case process_record.SIZE:
      return (
        isContainer(records.u64(at + process_record.outermost)) &&
        endOfLineage(records, at, at + size) === at + size
      );
    case SOCKET_RECORD_IPV4:
      return isSocket(records, at) && isSocketSize(records, at, size);
    default:
      return true;
  }
}

/** Whether it is the number of a container, or 0: see `CONTAINER_PRESENT` of layout.h. */
function isContainer(number: number): boolean {
  return number === 0 || (number >= CONTAINER_PRESENT && number < 2 * CONTAINER_PRESENT);
}

/** Whether family and role of a socket record are some. */
function isSocket({ u8 }: Records, at: number): boolean {
  const family = u8[at + socket_record.family]!;
  return (family === AF_INET || family === AF_INET6) && u8[at + socket_record.role]! <= SocketRole.client;
}

/** Whether a socket record of so many bytes is whole; a listening socket's may have a holder at its end. */
function isSocketSize(records: Records, at: number, size: number): boolean {
  const end = socketParts.end(records, at) - at;
  const type = records.type(at);
  const isListening = type === RecordType.socket && records.u8[at + socket_record.state] === TCP_LISTEN;
  const mayBeHeld = isListening || type === RecordType.listen || type === RecordType.served;
  return size === end || (mayBeHeld && size === end + holder.SIZE);
}

/** Where a process record ends by the sizes of its parts; anything else than `end` if they don't fit. */
function endOfLineage(records: Records, at: number, end: number): number {
  let ancestor = processParts.lineage(records, at);
  for (let left = records.u16[(at + process_record.lineage_count) >> 1]!; left > 0; left--) {
    if (ancestor + ancestor_record.SIZE > end) return -1;
    ancestor = processParts.nextAncestor(records, ancestor);
  }
  return ancestor;
}

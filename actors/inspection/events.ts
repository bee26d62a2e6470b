import type { Fact } from '../capture/facts.js';
import type { FactClock } from '../capture/fact-clock.js';
import {
  process_record,
  ProcessFlag,
  RecordFlag,
  RecordType,
  SocketRole,
  socket_record,
} from '../capture/layout.js';
import {
  processArguments,
  processComm,
  processExit,
  processLineage,
  processPath,
} from '../capture/process-record.js';
import { RecordRing } from '../capture/record-ring.js';
import { Records } from '../capture/records.js';
import { isUdpSocket, localText, remoteText, socketName } from '../connections/socket-record.js';
import { printable } from '../telemetry/plain-text.js';
import type { ContainerRefs } from './container-ref.js';
import type { EventRow } from './protocol.js';

const NS_PER_US = 1e3;
const US_PER_MS = 1e3;
/** Rows made in a second at most: more than anybody reads, and some 1 % of a processor. */
const ROWS_PER_SECOND = 2000;
const SECOND_MS = 1000;
/** Rows of past events made between two pauses. */
const SLICE = 256;

/** What rows have beside their records. */
export interface RowNames {
  readonly clock: FactClock;
  readonly refs: ContainerRefs;
}

/** A row in the making. */
type Row = { -readonly [Field in keyof EventRow]: EventRow[Field] };

/** Takes the rows of a fact, oldest first, and the number of rows left out by the limit. */
export type EventListener = (rows: readonly EventRow[], missed: number) => void;

export interface EventFeedOptions {
  /** Bytes of past records to keep; 0: none. */
  readonly past?: number;
  /** Monotonic clock in ms, for the limit of rows. Read only while somebody watches. */
  readonly now?: () => number;
}

/**
 * The kernel's events as rows. While nobody watches, a fact costs one look at the number of listeners; rows are made
 * once for all listeners. Records of the past are kept as they are, and become rows when asked for.
 */
export class EventFeed {
  readonly #names: RowNames;
  readonly #past: RecordRing | undefined;
  readonly #now: () => number;
  readonly #listeners = new Set<EventListener>();
  /** Start of the current second, and the rows left in it. */
  #second = -Infinity;
  #left = 0;

  constructor(names: RowNames, { past = 0, now = () => performance.now() }: EventFeedOptions = {}) {
    this.#names = names;
    this.#past = past > 0 ? new RecordRing(past) : undefined;
    this.#now = now;
  }

  take(fact: Fact): void {
    if (fact.kind !== 'records') return;
    this.#past?.push(fact.records);
    if (this.#listeners.size > 0) this.#deliver(fact.records);
  }

  /** Calls back for each batch with events. @returns ends the watch */
  watch(listener: EventListener): () => void {
    // A function of its own, so that one listener given twice is called twice.
    const own: EventListener = (rows, missed) => listener(rows, missed);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** The latest rows of past events, at most `count`, oldest first; in parts with pauses between. */
  *latest(count: number): Generator<readonly EventRow[]> {
    const records = this.#past?.copy();
    if (records === undefined) return;
    let skipped = totalRows(records) - count;
    let rows: EventRow[] = [];
    for (let at = 0; at < records.length; at += records.size(at)) {
      skipped -= rowsOf(records, at);
      if (skipped >= 0) continue;
      addRows(records, at, this.#names, rows);
      if (rows.length < SLICE) continue;
      yield rows;
      rows = [];
    }
    yield rows;
  }

  #deliver(records: Records): void {
    const now = this.#now();
    if (now - this.#second >= SECOND_MS) {
      this.#second = now;
      this.#left = ROWS_PER_SECOND;
    }
    const rows: EventRow[] = [];
    let missed = 0;
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (rows.length < this.#left) addRows(records, at, this.#names, rows);
      else missed += rowsOf(records, at);
    }
    this.#left = Math.max(this.#left - rows.length, 0);
    if (rows.length + missed === 0) return;
    for (const listener of this.#listeners) listener(rows, missed);
  }
}

/** The rows of a batch. */
export function eventRows(records: Records, names: RowNames): EventRow[] {
  const rows: EventRow[] = [];
  for (let at = 0; at < records.length; at += records.size(at)) addRows(records, at, names, rows);
  return rows;
}

function totalRows(records: Records): number {
  let count = 0;
  for (let at = 0; at < records.length; at += records.size(at)) count += rowsOf(records, at);
  return count;
}

/** Number of rows made of the record at `at`. */
function rowsOf(records: Records, at: number): number {
  switch (records.type(at)) {
    case RecordType.exec:
    case RecordType.exit:
    case RecordType.open:
    case RecordType.listen:
    case RecordType.unlisten:
      return 1;
    case RecordType.process:
      return isArrival(records, at) ? 1 : 0;
    case RecordType.close:
      // No event reports the connect of a UDP socket: its row is made at the end. One older than Collector has none.
      if (!isUdpSocket(records, at)) return 1;
      return records.u64(at + socket_record.opened) === 0 ? 0 : 2;
    default:
      return 0;
  }
}

/** Adds the rows of the record at `at`: as many as `rowsOf` says. */
function addRows(records: Records, at: number, names: RowNames, rows: EventRow[]): void {
  switch (records.type(at)) {
    case RecordType.exec:
      rows.push(processRow(records, at, names, 'exec'));
      break;
    case RecordType.process:
      if (isArrival(records, at)) rows.push(processRow(records, at, names, 'enter'));
      break;
    case RecordType.exit:
      rows.push(exitRow(records, at, names));
      break;
    case RecordType.open:
      rows.push(openRow(records, at, names));
      break;
    case RecordType.close:
      if (rowsOf(records, at) === 2) rows.push(openRow(records, at, names));
      if (rowsOf(records, at) > 0) rows.push(closeRow(records, at, names));
      break;
    case RecordType.listen:
      rows.push(socketRow(records, at, names, 'listen'));
      break;
    case RecordType.unlisten:
      rows.push(socketRow(records, at, names, 'unlisten'));
  }
}

/** Whether a process came into its container; the others are about to listen. */
function isArrival(records: Records, at: number): boolean {
  return (records.flags(at) & ProcessFlag.arrived) !== 0;
}

function processRow(records: Records, at: number, names: RowNames, kind: 'exec' | 'enter'): EventRow {
  const flags = records.flags(at);
  const path = (flags & RecordFlag.pathCut ? '…' : '') + processPath(records, at);
  const row = newRow(records, at, names, kind, path || processComm(records, at));
  if ((flags & RecordFlag.argsLost) === 0)
    row.args = printable(processArguments(records, at) + (flags & RecordFlag.argsCut ? '…' : ''));
  row.uid = records.u32[(at + process_record.uid) >> 2]!;
  row.lineage = processLineage(records, at).map((ancestor) => printable(ancestor.path));
  return row;
}

function exitRow(records: Records, at: number, names: RowNames): EventRow {
  const { name, status, signal } = processExit(records, at);
  const row = newRow(records, at, names, 'exit', name);
  if (signal === 0) row.status = status;
  else row.signal = signal;
  return row;
}

/** A connection without a role is a client's: it has called connect(). */
function openRow(records: Records, at: number, names: RowNames): EventRow {
  const isServer = records.u8[at + socket_record.role] === SocketRole.server;
  const row = connectionRow(records, at, names, isServer ? 'accept' : 'connect');
  const opened = records.u64(at + socket_record.opened);
  if (opened !== 0) row.time = names.clock.unix(opened);
  return row;
}

function closeRow(records: Records, at: number, names: RowNames): EventRow {
  const row = connectionRow(records, at, names, 'close');
  const opened = records.u64(at + socket_record.opened);
  if (opened !== 0) row.lasted = Math.round((records.time(at) - opened) / NS_PER_US) / US_PER_MS;
  return row;
}

function connectionRow(records: Records, at: number, names: RowNames, kind: EventRow['kind']): Row {
  const row = socketRow(records, at, names, kind);
  row.remote = remoteText(records, at);
  row.remotePort = records.u16[(at + socket_record.remote_port) >> 1]!;
  return row;
}

function socketRow(records: Records, at: number, names: RowNames, kind: EventRow['kind']): Row {
  const row = newRow(records, at, names, kind, socketName(records, at));
  row.protocol = isUdpSocket(records, at) ? 'udp' : 'tcp';
  row.local = localText(records, at);
  row.localPort = records.u16[(at + socket_record.local_port) >> 1]!;
  return row;
}

/** Names its fields one by one: a row spread from objects took twenty times as long. */
function newRow(
  records: Records,
  at: number,
  { clock, refs }: RowNames,
  kind: EventRow['kind'],
  process: string,
): Row {
  const { container, namespace, pod, name } = refs.of(records.container(at));
  return {
    container,
    namespace,
    pod,
    name,
    time: clock.unix(records.time(at)),
    kind,
    pid: records.pid(at),
    process: printable(process),
  };
}

/** One readable line an event, for a person at a terminal of 80 columns. */
import { isUdpSocket, localText, remoteText, socketName, withPort } from '../connections/socket-record.js';
import type { ContainerMetadata, Fact, ScanFact } from '../capture/facts.js';
import { RecordFlag, record_header, RecordType, SocketRole, socket_record } from '../capture/layout.js';
import type { Records } from '../capture/records.js';
import { containerId } from '../containers/id.js';
import { processExit } from '../capture/process-record.js';
import type { ProcessSignal } from '../processes/signal.js';
import {
  ancestry,
  BOLD,
  containerStyle,
  DIM,
  duration,
  events,
  fullName,
  ID_WIDTH,
  lineOf,
  shortName,
  styled,
  type Piece,
} from './line-parts.js';

/** Knowledge of a run beyond its records. */
export interface OutputNames {
  /** Metadata that a runtime gave for a container, by the container's number. */
  readonly metadata: (container: number) => ContainerMetadata | undefined;
  /** `SocketRole` of the connection in the record at `at`, where the record itself has none. */
  readonly roleOf: (records: Records, at: number) => number;
}

export interface CompactOptions {
  /** With colours of a terminal. */
  readonly color: boolean;
  /** Columns to cut lines to; undefined: never cut. */
  readonly width?: number;
}

/** Columns of a container's name: as a part of the terminal's, or of a file, whose lines have no end. */
const NAME_PART = 0.3;
const NAME_WIDTH_IN_FILE = 40;
/** Columns before a line's details, but for the container. */
const HEAD_WIDTH = 26;
/** Part of the room for details open to ancestors; the process itself matters more. */
const ANCESTORS_PART = 1 / 4;

/** Between the two sides of a connection, by `SocketRole` of the local one. */
const arrows: Readonly<Record<number, Piece>> = {
  [SocketRole.unknown]: { text: ' – ' },
  [SocketRole.server]: { text: ' ← ', style: events.accept.color },
  [SocketRole.client]: { text: ' → ', style: events.connect.color },
};

/** Folds facts to lines. The end of a process is visible if its start was: scanned processes have neither. */
export class CompactView {
  readonly #names: OutputNames;
  readonly #options: CompactOptions;
  /** Columns for the container, once there are names. */
  readonly #nameWidth: number;
  #containerWidth = ID_WIDTH;
  readonly #visible = new Set<number>();
  /** Connected UDP sockets in the scan under way, and in the scan before it: all of them have lines. */
  #listed = new Set<string>();
  #before: ReadonlySet<string> = new Set();
  #epoch = 0;

  constructor(names: OutputNames, options: CompactOptions) {
    this.#names = names;
    this.#options = options;
    const { width } = options;
    this.#nameWidth =
      width === undefined ? NAME_WIDTH_IN_FILE : Math.max(ID_WIDTH, Math.floor(width * NAME_PART));
  }

  /** The lines of a fact, without their newlines. @param signals of the processes in it */
  fold(fact: Fact, signals: readonly ProcessSignal[]): string[] {
    switch (fact.kind) {
      case 'start':
        this.#epoch = fact.epoch;
        return [this.#header()];
      case 'tick':
      case 'clock':
        this.#epoch = fact.epoch;
        return [];
      case 'records':
        return this.#records(fact.records, signals);
      case 'scan':
        return fact.of === 'sockets' ? this.#scan(fact) : [];
      case 'containers':
        if (fact.updated.length === 0 || this.#containerWidth === this.#nameWidth) return [];
        this.#containerWidth = this.#nameWidth;
        return [this.#header()];
      case 'control':
      case 'config':
        return [];
    }
  }

  /** Said again when the columns have moved. */
  #header(): string {
    const container = 'CONTAINER'.padEnd(this.#containerWidth);
    return styled(`TIME     ${container}     PID EVENT   DETAILS`, BOLD, this.#options.color);
  }

  #records(records: Records, signals: readonly ProcessSignal[]): string[] {
    const lines: string[] = [];
    let next = 0;
    for (let at = 0; at < records.length; at += records.size(at)) {
      switch (records.type(at)) {
        case RecordType.exec:
          if (signals[next]?.record === at) lines.push(this.#process(records, at, 'exec', signals[next++]!));
          break;
        case RecordType.process:
          // A process moved into a container has a signal; a process about to listen has none.
          if (signals[next]?.record === at) lines.push(this.#process(records, at, 'enter', signals[next++]!));
          break;
        case RecordType.exit:
          if (this.#visible.delete(records.pid(at))) lines.push(this.#exit(records, at));
          break;
        case RecordType.open:
          lines.push(this.#connection(records, at, true));
          break;
        case RecordType.close:
          lines.push(...this.#closed(records, at));
          break;
        case RecordType.listen:
        case RecordType.unlisten:
          lines.push(this.#listen(records, at));
      }
    }
    return lines;
  }

  /** Scans, and no event, list a UDP socket as connected. Sockets older than Collector have no time of that. */
  #scan({ records, part }: ScanFact): string[] {
    const lines: string[] = [];
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (!isUdpSocket(records, at) || records.u64(at + socket_record.opened) === 0) continue;
      const name = udpKey(records, at);
      if (!this.#isVisible(name)) lines.push(this.#connection(records, at, true));
      this.#listed.add(name);
    }
    if (part === 'first' || part === 'next') return lines;
    this.#before = this.#listed;
    this.#listed = new Set();
    return lines;
  }

  /** Adds the start of an unscanned UDP connection. One older than Collector stays invisible, like its start. */
  #closed(records: Records, at: number): string[] {
    const close = this.#connection(records, at, false);
    if (!isUdpSocket(records, at)) return [close];
    if (records.u64(at + socket_record.opened) === 0) return [];
    const name = udpKey(records, at);
    return this.#isVisible(name) ? [close] : [this.#connection(records, at, true), close];
  }

  #isVisible(udp: string): boolean {
    return this.#listed.has(udp) || this.#before.has(udp);
  }

  #process(records: Records, at: number, event: 'exec' | 'enter', signal: ProcessSignal): string {
    this.#visible.add(signal.pid);
    const flags = records.flags(at);
    const slash = signal.path.lastIndexOf('/') + 1;
    return this.#line(records, at, event, [
      {
        text: ancestry(
          signal.lineage.map((ancestor) => ancestor.path),
          this.#roomForAncestors,
        ),
        style: DIM,
      },
      { text: (flags & RecordFlag.pathCut ? '…' : '') + signal.path.slice(0, slash) },
      { text: signal.path.slice(slash), style: BOLD },
      { text: signal.args === '' ? '' : ` ${signal.args}` },
      { text: flags & RecordFlag.argsCut ? '…' : '' },
      { text: flags & RecordFlag.argsLost ? ' (arguments unreadable)' : '', style: DIM },
    ]);
  }

  get #roomForAncestors(): number {
    const { width = Infinity } = this.#options;
    return Math.max((width - HEAD_WIDTH - this.#containerWidth) * ANCESTORS_PART, 0);
  }

  #exit(records: Records, at: number): string {
    const { name, status, signal } = processExit(records, at);
    if (signal !== 0)
      return this.#line(records, at, 'killed', [{ text: name }, { text: ` by signal ${signal}` }]);
    return this.#line(records, at, 'exit', [
      { text: name },
      { text: status === 0 ? '' : ` with status ${status}` },
    ]);
  }

  #connection(records: Records, at: number, isOpen: boolean): string {
    const { u16 } = records;
    const role = this.#role(records, at, isOpen);
    const local = withPort(records, at, localText(records, at), u16[(at + socket_record.local_port) >> 1]!);
    const remote = withPort(
      records,
      at,
      remoteText(records, at),
      u16[(at + socket_record.remote_port) >> 1]!,
    );
    const opened = records.u64(at + socket_record.opened);
    const time = isOpen && opened !== 0 ? opened : records.time(at);
    const event = isOpen ? (role === SocketRole.server ? 'accept' : 'connect') : 'close';
    const details: Piece[] = [
      { text: `${socketName(records, at)} `, style: BOLD },
      { text: local },
      arrows[role]!,
      { text: remote },
      { text: isOpen || opened === 0 ? '' : ` ${duration(records.time(at) - opened)}`, style: DIM },
    ];
    return this.#line(records, at, event, details, time);
  }

  /** Takes a UDP socket with a peer for the client: it has called connect(), on either side. */
  #role(records: Records, at: number, isOpen: boolean): number {
    const role = records.u8[at + socket_record.role]!;
    if (role !== SocketRole.unknown) return role;
    return isOpen || isUdpSocket(records, at) ? SocketRole.client : this.#names.roleOf(records, at);
  }

  #listen(records: Records, at: number): string {
    const port = records.u16[(at + socket_record.local_port) >> 1]!;
    const isOver = records.type(at) === RecordType.unlisten;
    return this.#line(records, at, isOver ? 'stop' : 'listen', [
      { text: `${socketName(records, at)} `, style: BOLD },
      // A port that the kernel chooses is chosen just after this event.
      { text: withPort(records, at, localText(records, at), port === 0 ? '(ephemeral)' : port) },
      { text: isOver ? ' listening' : '', style: DIM },
    ]);
  }

  #line(
    records: Records,
    at: number,
    event: keyof typeof events,
    details: readonly Piece[],
    time = records.time(at),
  ): string {
    const container = records.container(at);
    const milliseconds = Math.floor((time + this.#epoch) / 1e6);
    const { label, color } = events[event];
    const head: Piece[] = [
      { text: new Date(milliseconds).toISOString().slice(11, 19), style: DIM },
      { text: ' ' },
      { text: this.#container(container).padEnd(this.#containerWidth), style: containerStyle(container) },
      { text: ` ${String(records.u32[(at + record_header.pid) >> 2]).padStart(7)} ` },
      { text: label.padEnd(7), style: color },
      { text: ' ' },
    ];
    return lineOf([...head, ...details], this.#options.color, this.#options.width);
  }

  #container(container: number): string {
    const metadata = this.#names.metadata(container);
    if (metadata === undefined || metadata.pod === '') return containerId(container) || 'host';
    return this.#options.width === undefined ? fullName(metadata) : shortName(metadata, this.#containerWidth);
  }
}

/** Identifies a connection: one socket may be connected several times. */
function udpKey(records: Records, at: number): string {
  return `${records.u64(at + socket_record.cookie)} ${records.u64(at + socket_record.opened)}`;
}

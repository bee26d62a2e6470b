/** Events as lines, the same as those of the compact view of a run. */
import { containerNumber } from '../containers/id.js';
import type { EventRow } from '../inspection/protocol.js';
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
} from '../output/line-parts.js';
import { clockText, zoneName, type Zone } from './time.js';

const NS_PER_MS = 1e6;
const CLOCK_WIDTH = 8;
const NAME_PART = 0.3;
const NAME_WIDTH_IN_FILE = 40;
/** Columns before a line's details, but for time and container. */
const HEAD_WIDTH = 18;
const ANCESTORS_PART = 1 / 4;

export interface LineOptions {
  readonly zone: Zone;
  readonly color: boolean;
  /** Columns to cut lines to; undefined: never cut. */
  readonly width: number | undefined;
}

/** Makes a line of each event. Columns get wider, and the head is said again, once there are names. */
export class EventLines {
  readonly #options: LineOptions;
  readonly #nameWidth: number;
  #containerWidth = ID_WIDTH;
  #head = '';

  constructor(options: LineOptions) {
    this.#options = options;
    const { width } = options;
    this.#nameWidth =
      width === undefined ? NAME_WIDTH_IN_FILE : Math.max(ID_WIDTH, Math.floor(width * NAME_PART));
  }

  /** The lines of an event: maybe a head, then one. */
  of(row: EventRow): string[] {
    const { zone, color, width } = this.#options;
    if (row.pod !== '') this.#containerWidth = this.#nameWidth;
    // Another one where the clock changes.
    const time = `TIME ${zoneName(zone, row.time)}`;
    const head = `${time.padEnd(CLOCK_WIDTH)} ${'CONTAINER'.padEnd(this.#containerWidth)}     PID EVENT   DETAILS`;
    const isNew = head !== this.#head;
    this.#head = head;
    const { label, color: style } = eventLook(row);
    const timeWidth = Math.max(time.length, CLOCK_WIDTH);
    const room =
      Math.max((width ?? Infinity) - timeWidth - HEAD_WIDTH - this.#containerWidth, 0) * ANCESTORS_PART;
    const line = [
      { text: clockText(zone, row.time).padEnd(timeWidth), style: DIM },
      { text: ' ' },
      { text: this.#container(row).padEnd(this.#containerWidth), style: styleOf(row) },
      { text: ` ${String(row.pid).padStart(7)} ` },
      { text: label.padEnd(7), style },
      { text: ' ' },
      ...eventDetails(row, room),
    ];
    return [...(isNew ? [styled(head, BOLD, color)] : []), lineOf(line, color, width)];
  }

  #container(row: EventRow): string {
    if (row.pod === '') return row.container || 'host';
    return this.#options.width === undefined ? fullName(row) : shortName(row, this.#containerWidth);
  }
}

function styleOf({ container }: EventRow): string {
  return containerStyle(container === '' ? 0 : containerNumber(container));
}

function eventLook({ kind, signal }: EventRow): { readonly label: string; readonly color: string } {
  if (kind === 'exit' && signal !== undefined) return events.killed;
  return kind === 'unlisten' ? events.stop : events[kind];
}

/** The event's name in the compact view. */
export function eventLabel(row: EventRow): string {
  return eventLook(row).label;
}

/** @param room columns for the ancestors of an exec */
export function eventDetails(row: EventRow, room: number): Piece[] {
  const { kind, process, args = '', status = 0, signal, lasted } = row;
  switch (kind) {
    case 'exec':
    case 'enter': {
      const slash = process.lastIndexOf('/') + 1;
      return [
        { text: ancestry(row.lineage ?? [], room), style: DIM },
        { text: process.slice(0, slash) },
        { text: process.slice(slash), style: BOLD },
        { text: args === '' ? '' : ` ${args}` },
        { text: row.args === undefined ? ' (arguments unreadable)' : '', style: DIM },
      ];
    }
    case 'exit':
      if (signal !== undefined) return [{ text: `${process} by signal ${signal}` }];
      return [{ text: status === 0 ? process : `${process} with status ${status}` }];
    case 'connect':
    case 'accept':
    case 'close':
      return [
        { text: `${process} `, style: BOLD },
        { text: hostPort(row.local, row.localPort) },
        arrows[kind],
        { text: hostPort(row.remote, row.remotePort) },
        { text: lasted === undefined ? '' : ` ${duration(lasted * NS_PER_MS)}`, style: DIM },
      ];
    case 'listen':
    case 'unlisten':
      return [
        { text: `${process} `, style: BOLD },
        // A port that the kernel chooses is chosen just after this event.
        { text: hostPort(row.local, row.localPort === 0 ? '(ephemeral)' : row.localPort) },
        { text: kind === 'unlisten' ? ' listening' : '', style: DIM },
      ];
  }
}

/** Between the two sides of a connection. */
const arrows: Readonly<Record<'connect' | 'accept' | 'close', Piece>> = {
  connect: { text: ' → ', style: events.connect.color },
  accept: { text: ' ← ', style: events.accept.color },
  close: { text: ' – ' },
};

export function pieces(of: readonly Piece[]): string {
  return of.map(({ text }) => text).join('');
}

export function hostPort(address = '', port: number | string = ''): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

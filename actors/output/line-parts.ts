/** The parts of a readable line of an event: for the compact view of a run, and for the command's. */
import type { ContainerMetadata } from '../capture/facts.js';
import { printable, startOf } from '../telemetry/plain-text.js';

/** Columns of a container's id. */
export const ID_WIDTH = 12;
/** How many ancestors a line hints at, at most. */
const ANCESTORS = 2;

const RESET = '\x1b[0m';
export const DIM = '\x1b[2m';
export const BOLD = '\x1b[1m';
/** Readable on dark and on light; a container keeps its colour. */
const CONTAINER_COLORS = [32, 33, 34, 35, 36, 92, 93, 94, 95, 96] as const;

export const events = {
  exec: { label: 'exec', color: '\x1b[32m' },
  enter: { label: 'enter', color: '\x1b[32m' },
  exit: { label: 'exit', color: DIM },
  killed: { label: 'killed', color: '\x1b[31m' },
  connect: { label: 'connect', color: '\x1b[36m' },
  accept: { label: 'accept', color: '\x1b[35m' },
  listen: { label: 'listen', color: '\x1b[33m' },
  close: { label: 'close', color: DIM },
  stop: { label: 'stop', color: DIM },
} as const;

/** A piece of a line's details. */
export interface Piece {
  readonly text: string;
  readonly style?: string;
}

/** What names a container. */
export type ContainerNames = Pick<ContainerMetadata, 'namespace' | 'pod' | 'name'>;

/** `namespace/pod/container`; a sandbox has no container's name. */
export function fullName({ namespace, pod, name }: ContainerNames): string {
  return [namespace, pod, name].filter((part) => part !== '').join('/');
}

/** The same within `room` columns: without the namespace if need be, then with the least telling part cut away. */
export function shortName(metadata: ContainerNames, room: number): string {
  const full = fullName(metadata);
  if (full.length <= room) return full;
  const { pod, name } = metadata;
  const tail = name === '' ? '' : `/${name}`;
  if (pod.length + tail.length <= room) return pod + tail;
  // A pod's name begins with its owner's; the random part at its end matters least.
  const podRoom = Math.max(room - tail.length, Math.floor(room / 2));
  return cut(cut(pod, podRoom) + tail, room);
}

export function cut(text: string, room: number): string {
  return text.length <= room ? text : `${startOf(text, room - 1)}…`;
}

/**
 * As many nearest ancestors as there is room for, the parent last, each before a `›`; `…›` stands for more.
 * @param paths nearest first
 */
export function ancestry(paths: readonly string[], room: number): string {
  for (let count = Math.min(ANCESTORS, paths.length); count > 0; count--) {
    const names = paths.slice(0, count).map((path) => path.slice(path.lastIndexOf('/') + 1));
    const more = paths.length > count ? ['…'] : [];
    const text = `${[...more, ...names.reverse()].join('›')}› `;
    if (text.length <= room) return text;
  }
  return '';
}

export function containerStyle(container: number): string {
  if (container === 0) return DIM;
  return `\x1b[${CONTAINER_COLORS[container % CONTAINER_COLORS.length]}m`;
}

/** The pieces as one line. @param width columns to cut it to; undefined: never cut */
export function lineOf(pieces: readonly Piece[], color: boolean, width = Infinity): string {
  let room = width;
  let line = '';
  for (const { text, style } of pieces) {
    if (room <= 0) break;
    const fits = cut(printable(text), room);
    room -= fits.length;
    line += style === undefined ? fits : styled(fits, style, color);
  }
  return line.trimEnd();
}

export function styled(text: string, style: string, color: boolean): string {
  return color && text !== '' ? `${style}${text}${RESET}` : text;
}

/** @param ns at least 0 */
export function duration(ns: number): string {
  if (ns < 1e6) return `${Math.round(ns / 1e3)}µs`;
  if (ns < 1e9) return `${Math.round(ns / 1e6)}ms`;
  if (ns < 60e9) return `${(ns / 1e9).toFixed(1)}s`;
  return `${Math.round(ns / 60e9)}min`;
}

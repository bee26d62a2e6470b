import type { ContainerRef } from '../protocol.js';

/** Longer texts are cut in a table; the details of a row have them whole. */
const CELL_CHARACTERS = 400;

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const EACH_INVISIBLE = new RegExp(INVISIBLE, 'gu');

/** Text from a container, with invisible characters and marks of direction spelled out: they could disguise it. */
export function legible(text: string): string {
  if (!INVISIBLE.test(text)) return text;
  return text.replace(EACH_INVISIBLE, (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

/** Legible text for a cell. */
export function cellText(text: string): string {
  return legible(text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text);
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1) || path;
}

/** `10.0.0.1:443` or `[fd00::1]:443`. */
export function addressAndPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The shortest text by which a person knows a container: its pod and name, its id, or the host. */
export function containerTitle({ container, pod, name }: ContainerRef): string {
  if (container === '') return 'host';
  if (pod === '') return cellText(name || container);
  return cellText(name === '' || name === pod ? pod : `${pod} / ${name}`);
}

/** Namespace, pod and name, or the id. */
export function containerPath({ container, namespace, pod, name }: ContainerRef): string {
  if (container === '') return 'host';
  const known = [namespace, pod, name].filter((one) => one !== '');
  return legible(known.length > 0 ? known.join(' / ') : container);
}

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** Time since then in its largest unit, for a narrow column: `now`, `4 s`, `7 min`, `2 h`. */
export function age(time: number, now: number): string {
  const passed = now - time;
  const unit = UNITS.find(([ms]) => passed >= ms);
  return unit === undefined ? 'now' : `${Math.floor(passed / unit[0])} ${unit[1]}`;
}

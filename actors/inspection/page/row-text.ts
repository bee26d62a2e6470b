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

const two = (number: number) => String(number).padStart(2, '0');

/** Local time of day, with milliseconds. */
export function preciseClock(time: number): string {
  const date = new Date(time);
  const seconds = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Local date and time, for details. */
export function dateAndClock(time: number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${preciseClock(time)}`;
}

/** A duration in its two largest units at most, such as `250 ms`, `3 s`, `4 min` or `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/** Time since then, in one word; less than a second is `now`. */
export function age(time: number, now: number): string {
  return now - time < 1000 ? 'now' : duration(now - time);
}

const numbers = new Intl.NumberFormat('en-GB');

/** With separators of thousands. */
export function count(number: number): string {
  return numbers.format(number);
}

/** `1 event`, `1,204 events`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

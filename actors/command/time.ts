/** Times as the command takes and shows them. */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SECOND_MS = 1000;
/** The last time that a Date can have, in either direction: ECMA-262, 21.4.1.1. */
const LATEST_MS = 8.64e15;
/** In place of a time that is none. */
const NO_TIME = '?';
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
/** From this many of a unit on, the next larger one is shown. */
const ENOUGH = 2;

export type Zone = 'utc' | 'local';

export const DURATION_FORM = 'a duration such as 90s, 5m or 1h30m';
export const WHEN_FORM = `${DURATION_FORM} before now, or a time such as 2026-11-23T01:16:09Z`;

/** @returns ms; undefined if the text is no duration */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g))
    sum += Number(count) * UNITS[unit!]!;
  return Number.isSafeInteger(Math.round(sum)) ? sum : undefined;
}

/** Unix time in ms, of a duration before now or of RFC 3339; undefined if the text is neither. */
export function parseWhen(text: string, now: number): number | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return Math.max(Math.floor(now - ago), 0);
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const time = Date.parse(text.replace(' ', 'T').toUpperCase());
  return Number.isNaN(time) ? undefined : time;
}

/** The zone's name at a time, such as `UTC`, `CET` or `+05:30`. */
export function zoneName(zone: Zone, time: number): string {
  if (zone === 'utc') return 'UTC';
  const parts = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' }).formatToParts(time);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  return /^[A-Z]{3,5}$/.test(name) && name !== 'GMT' ? name : offset(time);
}

/** `HH:MM:SS` */
export function clockText(zone: Zone, time: number): string {
  return isoText(zone, time).slice(11, 19);
}

/** As in RFC 3339, to the ms, with the zone's offset. */
export function isoText(zone: Zone, time: number): string {
  if (!(Math.abs(time) <= LATEST_MS)) return NO_TIME;
  if (zone === 'utc') return new Date(time).toISOString();
  const shifted = new Date(time - new Date(time).getTimezoneOffset() * MINUTE_S * SECOND_MS);
  return shifted.toISOString().replace('Z', offset(time));
}

/** `2026-11-23 01:16:09 UTC` */
export function dateText(zone: Zone, time: number): string {
  return `${isoText(zone, time).slice(0, 19).replace('T', ' ')} ${zoneName(zone, time)}`;
}

/** How long ago, such as `45s`, `12m`, `3h` or `4d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(Math.floor(ms / SECOND_MS), 0);
  if (seconds < ENOUGH * MINUTE_S) return `${seconds}s`;
  if (seconds < ENOUGH * HOUR_S) return `${Math.floor(seconds / MINUTE_S)}m`;
  if (seconds < ENOUGH * DAY_S) return `${Math.floor(seconds / HOUR_S)}h`;
  return `${Math.floor(seconds / DAY_S)}d`;
}

function offset(time: number): string {
  const minutes = -new Date(time).getTimezoneOffset();
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(size / MINUTE_S)}:${two(size % MINUTE_S)}`;
}

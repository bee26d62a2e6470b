const integers = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const decimals = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
/** Stands for a number not known. */
export const UNKNOWN = '–';

const MS_PER_SECOND = 1000;
const MS_PER_MINUTE = 60 * MS_PER_SECOND;
const MS_PER_HOUR = 60 * MS_PER_MINUTE;
const MS_PER_DAY = 24 * MS_PER_HOUR;
const KIB = 1024;
const MOST_OF_MINUTE_MS = 55 * MS_PER_SECOND;

export function count(value: number | undefined): string {
  return value === undefined ? UNKNOWN : integers.format(value);
}

/** `one container`, `12 containers`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** @param perSecond undefined: not known yet */
export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return UNKNOWN;
  return `${perSecond < 10 ? decimals.format(perSecond) : integers.format(perSecond)}/s`;
}

export function milliseconds(value: number | undefined): string {
  return value === undefined ? UNKNOWN : `${value < 10 ? decimals.format(value) : integers.format(value)} ms`;
}

export function bytes(value: number | undefined): string {
  if (value === undefined) return UNKNOWN;
  if (value < KIB) return `${integers.format(value)} B`;
  if (value < KIB * KIB) return `${decimals.format(value / KIB)} KiB`;
  return `${decimals.format(value / KIB / KIB)} MiB`;
}

export function percent(part: number, whole: number): string {
  const share = whole > 0 ? (100 * part) / whole : 0;
  if (share > 0 && share < 0.1) return '<0.1 %';
  return `${share < 10 ? decimals.format(share) : integers.format(share)} %`;
}

/** Local time of day. */
export function clock(time: number): string {
  return new Date(time).toLocaleTimeString('en-GB');
}

/** Local time of day with ms. */
export function preciseClock(time: number): string {
  return `${clock(time)}.${String(Math.floor(time) % MS_PER_SECOND).padStart(3, '0')}`;
}

/** Local date and time of day. */
export function dateAndClock(time: number): string {
  return new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

/** In at most two units: `230 ms`, `4.2 s`, `3 min 4 s`, `2 d 5 h`. */
export function duration(ms: number): string {
  if (ms < MS_PER_SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < MS_PER_MINUTE) return `${decimals.format(Math.floor(ms / 100) / 10)} s`;
  if (ms < MS_PER_HOUR) return units(ms, MS_PER_MINUTE, 'min', MS_PER_SECOND, 's');
  if (ms < MS_PER_DAY) return units(ms, MS_PER_HOUR, 'h', MS_PER_MINUTE, 'min');
  return units(ms, MS_PER_DAY, 'd', MS_PER_HOUR, 'h');
}

function units(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}

/** A name in words: `table_full` is `table full`, `driverLoaded` is `driver loaded`. */
export function words(name: string): string {
  return name
    .replace(
      /([a-z])([A-Z])(?=[a-z])/g,
      (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
    )
    .replace(/[_-]+/g, ' ');
}

/** The time covered by recent counts: `1 min`, less at first. */
export function lately(ms: number): string {
  return ms >= MOST_OF_MINUTE_MS ? '1 min' : `${Math.round(ms / MS_PER_SECOND)} s`;
}

/** An event of XState in words: `xstate.done.actor.load` is `load done`. */
export function eventName(type: string): string {
  const [, what, kind, id = ''] = /^xstate\.(done|error)\.(actor|state)\.(.+)$/.exec(type) ?? [];
  if (what !== undefined)
    return `${kind === 'state' ? id.split('.').at(-1) : id} ${what === 'done' ? 'done' : 'failed'}`;
  if (type.startsWith('xstate.after.')) return `after ${type.split('.')[2] ?? ''}`;
  if (type === 'xstate.init') return 'start';
  return words(type);
}

import type { RecordedFact } from '../capture/facts.js';

/** Slowest and fastest speed of a replay: times as fast as the recorded run. */
export const SLOWEST = 1;
export const FASTEST = 100;

const NS_PER_MS = 1e6;
/** Numbers near a Unix time in ns are multiples of 256. */
const PRECISION_NS = 1024;

/** A watcher's wish. */
export type PlayerCommand =
  | { readonly action: 'play' | 'pause' | 'step' }
  /** `value`: Unix time in ms to seek to, or times as fast as the run. */
  | { readonly action: 'seek' | 'speed'; readonly value: number };

/**
 * The pace of a replay: recorded times, in ns, by times of the wall, in ms of any steady clock. It reads no clock
 * itself.
 */
export class Schedule {
  readonly #start: number;
  readonly #end: number;
  #speed = SLOWEST;
  #isPaused = true;
  /** Due at `#since`, a time of the wall. */
  #due: number;
  #since = 0;

  /** Begins paused. @param start and end of the recording */
  constructor(start: number, end: number) {
    this.#start = start;
    this.#end = Math.max(start, end);
    this.#due = start;
  }

  get speed(): number {
    return this.#speed;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The recorded time due now. */
  dueAt(now: number): number {
    const played = this.#isPaused ? 0 : (now - this.#since) * this.#speed * NS_PER_MS;
    return this.#within(this.#due + played);
  }

  /** ms of the wall until a recorded time is due; 0: it is due. Infinity while paused. */
  wait(time: number, now: number): number {
    const left = time - this.dueAt(now);
    if (left <= 0) return 0;
    return this.#isPaused ? Infinity : left / this.#speed / NS_PER_MS;
  }

  pause(now: number): void {
    this.jump(this.dueAt(now), now);
    this.#isPaused = true;
  }

  play(now: number): void {
    this.jump(this.dueAt(now), now);
    this.#isPaused = false;
  }

  setSpeed(speed: number, now: number): void {
    this.jump(this.dueAt(now), now);
    this.#speed = speed;
  }

  /** Goes on at another recorded time. */
  jump(time: number, now: number): void {
    this.#due = this.#within(time);
    this.#since = now;
  }

  #within(time: number): number {
    return Math.min(Math.max(time, this.#start), this.#end);
  }
}

/** A recorded time as Unix time, in whole ms. @param epoch Unix time minus recorded time, ns */
export function unixTime(time: number, epoch: number): number {
  return Math.floor((time + epoch) / NS_PER_MS);
}

/** The latest recorded time shown as a Unix time in ms. */
export function recordedTime(unix: number, epoch: number): number {
  return (Math.floor(unix) + 1) * NS_PER_MS - epoch - PRECISION_NS;
}

/** Whether a fact changes anything to be seen: a step goes on to the next one. */
export function isVisible(fact: RecordedFact): boolean {
  switch (fact.kind) {
    case 'records':
    case 'scan':
      return fact.records.length > 0;
    case 'clock':
    case 'control':
    case 'config':
      return false;
    default:
      return true;
  }
}

const ACTIONS = ['play', 'pause', 'step', 'seek', 'speed'] as const;

/** Reads a command. @returns an error with the allowed values for any other text */
export function parseCommand(text: string): PlayerCommand | { readonly error: string } {
  const parsed = parseJson(text);
  if (typeof parsed !== 'object' || parsed === null)
    return { error: `'${text}' is no command (allowed: a JSON object with an action)` };
  const { action: name, value } = parsed as Readonly<Record<string, unknown>>;
  const action = ACTIONS.find((one) => one === name);
  switch (action) {
    case undefined:
      return { error: `${JSON.stringify(name)} is no action (allowed: ${ACTIONS.join(', ')})` };
    case 'seek':
      if (Number.isFinite(value)) return { action, value: Number(value) };
      return { error: `${JSON.stringify(value)} is no time to seek (allowed: a Unix time in ms)` };
    case 'speed':
      if (typeof value === 'number' && value >= SLOWEST && value <= FASTEST) return { action, value };
      return {
        error: `${JSON.stringify(value)} is no speed (allowed: a number from ${SLOWEST} to ${FASTEST})`,
      };
    default:
      return { action };
  }
}

/** @returns undefined for a text that is no JSON */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

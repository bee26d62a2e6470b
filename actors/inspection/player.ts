/** Slowest and fastest speed of a replay: times as fast as the recorded run. */
export const SLOWEST = 1;
export const FASTEST = 100;

const NS_PER_MS = 1e6;

/** What a watcher may have a replay do. */
export type PlayerCommand =
  | { readonly action: 'play' | 'pause' | 'step' }
  /** `value`: Unix time in ms to seek to, or times as fast as the run. */
  | { readonly action: 'seek' | 'speed'; readonly value: number };

/**
 * The pace of a replay: the time in the recording that is due at a time of the wall. Recorded times are in ns, those of
 * the wall in ms of any clock that does not jump. It reads no clock itself.
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

  /** The recorded time that is due. */
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

const ACTIONS = ['play', 'pause', 'step', 'seek', 'speed'] as const;

/** Reads a command. @returns what is wrong with the text, and what is allowed, if it is none */
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
      if (typeof value === 'number') return { action, value };
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

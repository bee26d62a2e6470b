import pino from 'pino';
import { FloodGate, ONCE_PER_KEY } from './flood-gate.js';
import { formatJson, formatLine, levels, type Level } from './line.js';
import { setTimer, throttle, type Throttle } from './throttle.js';

/** Writes one line, by a method for each level. Callers keep secrets out: nothing is filtered here. */
export interface Log extends Readonly<Record<Level, (message: string) => void>> {
  /** The least severe level written; can be set at any time. */
  level: Level;
  /** Lines held back so far: by throttled writers, and because too many were alike. */
  readonly suppressed: number;
  /**
   * Makes a writer for messages in floods: at most one line each `seconds`, marked `[Throttled]` and with the number of
   * swallowed ones. Make it once, at the origin of the messages; each writer counts for itself.
   */
  readonly throttled: (level: Level, seconds?: number) => (message: string) => void;
  /**
   * Makes a writer for messages with a key: of each key one line each `seconds`, and at their end the number of
   * swallowed ones. Keys are bounded: further ones share a line.
   */
  readonly oncePerKey: (level: Level, seconds?: number) => (key: string, message: string) => void;
  /** Whether lines of a level are written now: to be asked before a costly one is made. */
  readonly enables: (level: Level) => boolean;
  /** Writes the counts still held back by throttled writers: the last call before the process ends. */
  readonly flush: () => void;
}

export interface LogOptions {
  /** Default: `info`. */
  readonly level?: Level;
  /** How a line is written; default: `text`. */
  readonly format?: 'text' | 'json';
  /** Takes one line, its newline included. */
  readonly write: (line: string) => void;
  /** Unix time in ms. Default: the wall clock. */
  readonly now?: () => number;
}

const THROTTLE_SECONDS = 10;

export function createLog({ level = 'info', format = 'text', write, now = Date.now }: LogOptions): Log {
  const formatted = format === 'json' ? formatJson : formatLine;
  // pino numbers levels; ours are numbered by their place, from 1.
  const destination = {
    // With this mark, pino leaves level, message and time on the stream before it calls `write` with its JSON line.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    lastMsg: '',
    lastTime: '',
    write(): void {
      write(`${formatted(levels[this.lastLevel - 1]!, Number(this.lastTime), this.lastMsg)}\n`);
    },
  };
  const logger = pino<Level>(
    {
      level,
      customLevels: Object.fromEntries(levels.map((name, index) => [name, index + 1])) as Record<
        Level,
        number
      >,
      useOnlyCustomLevels: true,
      base: null,
      timestamp: () => `,"time":${now()}`,
    },
    destination,
  );

  /** The place of the least severe level written: asked for each fact, where pino takes four times as long. */
  let least = levels.indexOf(level);
  const throttles: Throttle[] = [];
  const gates = levels.map(
    (name) => new FloodGate(THROTTLE_SECONDS, { write: (message) => logger[name](message), setTimer }),
  );
  const keyed: FloodGate[] = [];
  const writers = Object.fromEntries(
    levels.map((name, index) => {
      // The lines that end Collector are always written; and an empty line belongs to the lines around it.
      const isExempt = name === 'fatal' || name === 'critical';
      const admits = (message: string) => isExempt || message === '' || gates[index]!.admits(message);
      return [
        name,
        (message: string) => {
          if (logger.isLevelEnabled(name) && admits(message)) logger[name](message);
        },
      ];
    }),
  ) as Record<Level, (message: string) => void>;
  return {
    ...writers,
    get level() {
      return logger.level as Level;
    },
    set level(name) {
      logger.level = name;
      least = levels.indexOf(name);
    },
    get suppressed() {
      return [...throttles, ...keyed, ...gates].reduce((sum, { swallowed }) => sum + swallowed, 0);
    },
    throttled: (name, seconds = THROTTLE_SECONDS) => {
      const made = throttle(seconds, { write: (message) => logger[name](message), setTimer });
      throttles.push(made);
      return (message) => {
        if (logger.isLevelEnabled(name)) made.write(message);
      };
    },
    oncePerKey: (name, seconds = THROTTLE_SECONDS) => {
      const gate = new FloodGate(seconds, { write: writers[name], setTimer }, ONCE_PER_KEY);
      keyed.push(gate);
      return (key, message) => {
        if (logger.isLevelEnabled(name) && gate.admits(message, key)) writers[name](message);
      };
    },
    enables: (name) => levels.indexOf(name) >= least,
    flush: () => [...throttles, ...keyed, ...gates].forEach((made) => made.flush()),
  };
}

import type { ThrottleOutlet } from './throttle.js';

/** Lines of one kind let through in a window, and kinds told apart in it. */
const MOST_LINES = 20;
const MOST_KINDS = 64;
const LONGEST_KIND = 200;

interface MessageKind {
  lines: number;
  swallowed: number;
  last: string;
}

/**
 * Keeps floods of messages from filling a disk, whatever their origin. Messages differing only in their numbers are of
 * one kind: a window lets a few through, and reports at its end how many it swallowed. With too many kinds, all
 * further ones count as one.
 */
export class FloodGate {
  /** Lines swallowed so far. */
  swallowed = 0;
  readonly #seconds: number;
  readonly #outlet: ThrottleOutlet;
  #kinds = new Map<string, MessageKind>();
  #cancel: (() => void) | undefined;

  /** @param seconds the length of a window */
  constructor(seconds: number, outlet: ThrottleOutlet) {
    this.#seconds = seconds;
    this.#outlet = outlet;
  }

  /** Whether the message may be written. */
  admits(message: string): boolean {
    this.#cancel ??= this.#outlet.setTimer(() => this.flush(), this.#seconds * 1000);
    const kind = this.#kindOf(message);
    if (++kind.lines <= MOST_LINES) return true;
    kind.swallowed++;
    kind.last = message;
    this.swallowed++;
    return false;
  }

  /** Ends the window now. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const kinds = this.#kinds;
    this.#kinds = new Map();
    for (const { swallowed, last } of kinds.values()) {
      if (swallowed === 0) continue;
      this.#outlet.write(
        `[Throttled] ${last} (${swallowed} like it swallowed within ${this.#seconds} s, this is the latest)`,
      );
    }
  }

  #kindOf(message: string): MessageKind {
    const name = message.slice(0, LONGEST_KIND).replaceAll(/\d+/g, '0');
    const known = this.#kinds.get(name) ?? (this.#kinds.size < MOST_KINDS ? undefined : this.#kinds.get(''));
    if (known !== undefined) return known;
    const kind = { lines: 0, swallowed: 0, last: '' };
    this.#kinds.set(this.#kinds.size < MOST_KINDS - 1 ? name : '', kind);
    return kind;
  }
}

import type { ThrottleOutlet } from './throttle.js';

const LONGEST_KIND = 200;

/** Bounds of a window. */
interface GateBounds {
  /** Lines of one kind let through. */
  readonly lines: number;
  /** Kinds told apart. */
  readonly kinds: number;
}

/** For messages of any origin. */
const ANY: GateBounds = { lines: 20, kinds: 64 };
/** For messages with a key. */
export const ONCE_PER_KEY: GateBounds = { lines: 1, kinds: 512 };

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
  readonly #bounds: GateBounds;
  #kinds = new Map<string, MessageKind>();
  #cancel: (() => void) | undefined;

  /** @param seconds the length of a window */
  constructor(seconds: number, outlet: ThrottleOutlet, bounds = ANY) {
    this.#seconds = seconds;
    this.#outlet = outlet;
    this.#bounds = bounds;
  }

  /** Whether the message may be written. @param kind its name; default: the message without its numbers */
  admits(message: string, kind = kindIn(message)): boolean {
    this.#cancel ??= this.#outlet.setTimer(() => this.flush(), this.#seconds * 1000);
    const counted = this.#kindOf(kind);
    if (++counted.lines <= this.#bounds.lines) return true;
    counted.swallowed++;
    counted.last = message;
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

  #kindOf(name: string): MessageKind {
    const { kinds } = this.#bounds;
    const known = this.#kinds.get(name) ?? (this.#kinds.size < kinds ? undefined : this.#kinds.get(''));
    if (known !== undefined) return known;
    const kind = { lines: 0, swallowed: 0, last: '' };
    this.#kinds.set(this.#kinds.size < kinds - 1 ? name : '', kind);
    return kind;
  }
}

function kindIn(message: string): string {
  return message.slice(0, LONGEST_KIND).replaceAll(/\d+/g, '0');
}

/** Writes throttled messages, and times the end of a window; `setTimer` returns a function to cancel it. */
export interface ThrottleOutlet {
  readonly write: (message: string) => void;
  readonly setTimer: (end: () => void, ms: number) => () => void;
}

/** Lets one message a window through and counts the others. */
export interface Throttle {
  readonly write: (message: string) => void;
  /** Ends the open window now, and writes a count still held back. */
  readonly flush: () => void;
  /** Messages swallowed so far. */
  readonly swallowed: number;
}

/**
 * Writes the first message at once and opens a window; later messages in it are swallowed. When the window ends, the
 * last of them is written with their number, and this line opens the next window; a window without swallowed messages
 * just closes. So there is never more than one line a window, and the last state is always written.
 * @param seconds the length of a window
 */
export function throttle(seconds: number, outlet: ThrottleOutlet): Throttle {
  let cancel: (() => void) | undefined;
  let swallowed = 0;
  let total = 0;
  let last = '';

  const close = (): void => {
    cancel?.();
    cancel = undefined;
    if (swallowed === 0) return;
    const count = swallowed;
    swallowed = 0;
    outlet.write(`[Throttled] ${last} (${count} swallowed within ${seconds} s, this is the latest)`);
  };
  const open = (): void => {
    cancel = outlet.setTimer(() => {
      const carriesOn = swallowed > 0;
      close();
      if (carriesOn) open();
    }, seconds * 1000);
  };
  return {
    write: (message) => {
      if (cancel !== undefined) {
        swallowed++;
        total++;
        last = message;
        return;
      }
      outlet.write(`[Throttled] ${message}`);
      open();
    },
    flush: close,
    get swallowed() {
      return total;
    },
  };
}

/** A timer for outlets on the clock of the process; it does not keep the process alive. */
export function setTimer(end: () => void, ms: number): () => void {
  const timer = setTimeout(end, ms).unref();
  return () => clearTimeout(timer);
}

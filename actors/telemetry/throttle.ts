/** Where throttled messages go, and the timer that ends a window; `setTimer` returns what cancels it. */
export interface ThrottleOutlet {
  readonly write: (message: string) => void;
  readonly setTimer: (end: () => void, ms: number) => () => void;
}

/** Lets one message a window through and counts the others. */
export interface Throttle {
  readonly write: (message: string) => void;
  /** Ends the open window now, so that a count still held back is written. */
  readonly flush: () => void;
  /** Messages swallowed so far. */
  readonly swallowed: number;
}

/**
 * The first message is written at once and opens a window; those that follow within it are swallowed. When the window
 * ends, the last of them is written with their number, and that line opens the next window; a window that swallowed
 * nothing just closes. So there is never more than one line a window, and the last state always shows.
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

/** The outlet's timer on the clock of the process, which it does not keep alive. */
export function setTimer(end: () => void, ms: number): () => void {
  const timer = setTimeout(end, ms).unref();
  return () => clearTimeout(timer);
}

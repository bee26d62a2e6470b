/** The typed interface of the second add-on: threads beside the event loop, to keep it from being held up. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Writes to a descriptor in a native thread: `write` never waits, for no reader and no disk. */
export interface Writer {
  /** Begins to write to `fd`; until then bytes wait. @param closeAtEnd close it after the last byte */
  start(fd: number, closeAtEnd: boolean): void;
  /** Takes a copy of all bytes, or none. @returns false: no room, or stopped by an error */
  write(bytes: Uint8Array): boolean;
  /** Waits in this thread until all is written, at most so long. @returns whether it is */
  flush(milliseconds: number): boolean;
  /** Has `onEvent` called as soon as no more than so many bytes wait. */
  notifyBelow(bytes: number): void;
  /** Ends when all bytes are written; all other methods throw from then on. */
  close(): void;
  /** Waiting bytes. */
  readonly pending: number;
  /** Name of the last error, like EPIPE; undefined: none. */
  readonly error: string | undefined;
}

/** Settings of the watchdog. */
export interface WatchdogOptions {
  /** The loop stands still if it has not turned for so long. */
  readonly seconds: number;
  /** Folder of the report for the next start. */
  readonly folder: string;
  /** Path of a file to get the cause too, if it exists. */
  readonly terminationLog: string;
  /** Names for the two numbers in `cell`: the phase of the run, and the step in it. */
  readonly phases: readonly string[];
  readonly steps: readonly string[];
  readonly cell: Uint8Array<ArrayBuffer>;
  /** Names of steps with waits in the kernel for a signal to end: nothing in them minds EINTR. */
  readonly interruptible: readonly string[];
  /** Gets a line of the level critical, as JSON or as text. */
  readonly log: Writer;
  readonly json: boolean;
}

interface Io {
  /**
   * @param capacity most bytes to wait
   * @param stopAtError give up all waiting bytes at the first error, and take no more; else writing goes on after it
   * @param onEvent called by the event loop after an error, and for `notifyBelow`
   */
  readonly Writer: new (capacity: number, stopAtError: boolean, onEvent: () => void) => Writer;
  /**
   * Starts a thread to notice when the event loop stands still, and to write down why: in the log, in `stall.json` in
   * the folder, in the termination log. When the loop turns again it clears both files. It interrupts waits in some
   * steps.
   * @param onTurn called then, with how long it had stood still and the last cause
   */
  readonly Watchdog: new (
    options: WatchdogOptions,
    onTurn: (seconds: number, cause: string) => void,
  ) => object;
  /** Ends the process at once, even with threads in a wait: exit(3) would wait for those of libuv. */
  exit(code: number): never;
  /**
   * Ends the process with exit code 0 so many ms after the first of some signals, whatever it does then: also if its
   * event loop stands still and has not heard of the signal. Says so on standard error, if that takes it at once.
   * @param signals numbers; each has a listener
   */
  exitWithin(milliseconds: number, signals: readonly number[]): void;
}

/**
 * Loads the add-on from `path`, `dist/io.node` as built by `native/Makefile`. Where it is missing, the driver's add-on
 * beside it has the same code; only that one needs libbpf.
 * @throws Error if both are missing or were built for another platform
 */
export function loadIo(path: string): Io {
  const load = createRequire(import.meta.url);
  try {
    return load(path) as Io;
  } catch (error) {
    try {
      return load(join(dirname(path), 'collector.node')) as Io;
    } catch {
      throw error;
    }
  }
}

export type { Io };

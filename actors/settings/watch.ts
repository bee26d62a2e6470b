import { statSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';

/** How long to wait, in ms. */
export interface WatchTimes {
  /** After a change: there may be more to come. */
  readonly settle?: number;
  /** Between two looks where the system tells of no change, or tells none on this file system. */
  readonly poll?: number;
}

const SETTLE_MS = 1000;
const POLL_MS = 30_000;

/**
 * Calls `look` some time after anything happened in the folders of the files, and once in a while. So it does not matter
 * whether a file is written in place, renamed into place, deleted and made anew, or swapped by Kubernetes through the
 * `..data` link of a mounted volume; and a folder may come later, or go and come back.
 * @param look finds out what has changed, if anything has; must not throw
 * @returns ends it
 */
export function watchFiles(
  files: readonly string[],
  look: () => void,
  { settle = SETTLE_MS, poll = POLL_MS }: WatchTimes = {},
): () => void {
  let settling: NodeJS.Timeout | undefined;
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(look, settle).unref();
  };
  const folders = [...new Set(files.map((file) => path.dirname(file)))];
  const watches = folders.map((folder) => new FolderWatch(folder, soon));
  const timer = setInterval(() => {
    watches.forEach((one) => one.renew());
    look();
  }, poll).unref();
  return () => {
    clearTimeout(settling);
    clearInterval(timer);
    watches.forEach((one) => one.close());
  };
}

/** What the system tells of a folder; nothing where it has no watch left, or the folder is not there: polling goes on. */
class FolderWatch {
  readonly #folder: string;
  readonly #onEvent: () => void;
  #watcher: FSWatcher | undefined;
  /** Device and inode of the folder that is watched. */
  #identity = '';

  constructor(folder: string, onEvent: () => void) {
    this.#folder = folder;
    this.#onEvent = onEvent;
    this.renew();
  }

  /** A watch stays with the folder that it was made for, and what has the name now may be another one. */
  renew(): void {
    const identity = identityOf(this.#folder);
    if (this.#watcher !== undefined && identity === this.#identity) return;
    this.close();
    if (identity === undefined) return;
    try {
      const watcher = watch(this.#folder, { persistent: false }, this.#onEvent);
      watcher.on('error', () => this.close());
      this.#watcher = watcher;
      this.#identity = identity;
    } catch {
      // Tried again at the next look.
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(folder);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

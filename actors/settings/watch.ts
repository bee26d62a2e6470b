import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';

/** How long to wait, in ms. */
export interface WatchTimes {
  /** After a change: there may be more to come. */
  readonly settle?: number;
  /** Between two looks without any notice of a change; some file systems give none. */
  readonly poll?: number;
}

const SETTLE_MS = 1000;
const POLL_MS = 30_000;

/**
 * Calls `look` some time after anything happened in the folders of the files, and once in a while. So it does not
 * matter whether a file is written in place, renamed into place, deleted and made anew, or swapped by Kubernetes
 * through the `..data` link of a mounted volume; and a folder may come later, or go and come back.
 *
 * Looks at once, too: at changes before the watch. There is one look at a time, and one for each folder: a disk
 * without an answer holds up these, and a thread of libuv's for each, not the event loop.
 * @param look finds out the changes, if any; must not reject
 * @returns ends it
 */
export function watchFiles(
  files: readonly string[],
  look: () => Promise<void>,
  { settle = SETTLE_MS, poll = POLL_MS }: WatchTimes = {},
): () => void {
  let settling: NodeJS.Timeout | undefined;
  let isLooking = false;
  let isMissed = false;
  let isOver = false;
  const lookOnce = async (): Promise<void> => {
    isMissed = isLooking;
    if (isLooking) return;
    isLooking = true;
    await look();
    isLooking = false;
    if (isMissed && !isOver) soon();
  };
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(() => void lookOnce(), settle).unref();
  };
  const folders = [...new Set(files.map((file) => path.dirname(file)))];
  const watches = folders.map((folder) => new FolderWatch(folder, soon));
  const timer = setInterval(() => {
    watches.forEach((one) => void one.renew());
    void lookOnce();
  }, poll).unref();
  return () => {
    isOver = true;
    clearTimeout(settling);
    clearInterval(timer);
    watches.forEach((one) => one.close());
  };
}

/** Listens for changes of a folder. Without a free watch, or without the folder, only polling is left. */
class FolderWatch {
  readonly #folder: string;
  readonly #onEvent: () => void;
  #watcher: FSWatcher | undefined;
  /** Device and inode of the watched folder. */
  #identity = '';
  #isRenewing = false;
  #isClosed = false;

  constructor(folder: string, onEvent: () => void) {
    this.#folder = folder;
    this.#onEvent = onEvent;
    void this.renew();
  }

  /** Watches the folder by this name now: the old watch stays with the old folder. */
  async renew(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const identity = await identityOf(this.#folder);
    this.#isRenewing = false;
    if (this.#isClosed || (this.#watcher !== undefined && identity === this.#identity)) return;
    this.#unwatch();
    if (identity === undefined) return;
    try {
      const watcher = watch(this.#folder, { persistent: false }, this.#onEvent);
      watcher.on('error', () => this.#unwatch());
      this.#watcher = watcher;
      this.#identity = identity;
      this.#onEvent(); // at changes from before this watch
    } catch {
      // Tried again at the next look.
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch();
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

async function identityOf(folder: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(folder);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

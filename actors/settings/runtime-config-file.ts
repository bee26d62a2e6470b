import type { Notice } from './rules.js';
import { parseRuntimeConfig, RuntimeConfigError, type RuntimeConfig } from './runtime-config.js';
import { readSmallFile, UnreadableFile } from './small-file.js';
import { watchFiles, type WatchTimes } from './watch.js';

/** All keys together take less than 1 KiB: the rest is room for comments. */
const LARGEST_FILE = 16 * 1024;

/** Puts a line into the log. */
type WriteNotice = (notice: Notice | { readonly level: 'info'; readonly message: string }) => void;

/**
 * The runtime configuration by its file, now and after each change. While the file is absent, the configuration without
 * it is in force. While it is unusable, the one before stays in force, and a line says why, once for each reason.
 */
export class RuntimeConfigFile {
  readonly #path: string;
  readonly #without: RuntimeConfig;
  readonly #write: WriteNotice;
  #current: RuntimeConfig;
  /** The last lines logged about the file: the same ones are not logged again. */
  #lastNotices = '';

  /** @param without the configuration in force without a file, and until it is read */
  constructor(path: string, without: RuntimeConfig, say: WriteNotice) {
    this.#path = path;
    this.#without = without;
    this.#write = say;
    this.#current = without;
  }

  /** The configuration in force. */
  get current(): RuntimeConfig {
    return this.#current;
  }

  /**
   * Reads the file again when it changes, until it is ended.
   * @param onChange the configuration in force is another one now
   * @returns ends it
   */
  watch(onChange: (config: RuntimeConfig) => void, times?: WatchTimes): () => void {
    let isOver = false;
    const look = async (): Promise<void> => {
      const before = this.#current;
      await this.read();
      if (!isOver && !isSameConfig(before, this.#current)) onChange(this.#current);
    };
    const stop = watchFiles([this.#path], look, times);
    return () => {
      isOver = true;
      stop();
    };
  }

  /** Reads the file, and takes it if it can be used. */
  async read(): Promise<void> {
    try {
      const text = await contents(this.#path);
      const { config, warnings } =
        text === undefined
          ? { config: this.#without, warnings: [] }
          : parseRuntimeConfig(text, this.#without);
      this.#current = config;
      const { externalIps, maxConnectionsPerMinute } = config;
      const inForce = `external IPs: ${externalIps}, connections per minute: at most ${maxConnectionsPerMinute}`;
      this.#report([
        {
          level: 'info',
          message: `Runtime configuration ${this.#path} ${text === undefined ? 'is not there' : 'is read'}: ${inForce}`,
        },
        ...warnings.map((message) => ({
          level: 'warning' as const,
          message: `Runtime configuration ${this.#path}: ${message}`,
        })),
      ]);
    } catch (error) {
      if (!(error instanceof RuntimeConfigError)) throw error;
      const message =
        `Runtime configuration ${this.#path} cannot be used, and what was in force before still is: ` +
        error.message;
      this.#report([{ level: 'error', message }]);
    }
  }

  #report(notices: readonly Parameters<WriteNotice>[0][]): void {
    const said = JSON.stringify(notices);
    if (said === this.#lastNotices) return;
    this.#lastNotices = said;
    notices.forEach((notice) => this.#write(notice));
  }
}

/** @returns undefined if there is no file */
async function contents(path: string): Promise<string | undefined> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readSmallFile(path, LARGEST_FILE));
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw new RuntimeConfigError('It is not UTF-8', { cause: error });
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    const { message } = error;
    throw new RuntimeConfigError(`${message.charAt(0).toUpperCase()}${message.slice(1)}`, { cause: error });
  }
}

function isSameConfig(one: RuntimeConfig, other: RuntimeConfig): boolean {
  return (
    one.externalIps === other.externalIps && one.maxConnectionsPerMinute === other.maxConnectionsPerMinute
  );
}

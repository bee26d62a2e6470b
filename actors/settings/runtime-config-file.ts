import { readFileSync, statSync } from 'node:fs';
import type { Notice } from './rules.js';
import { parseRuntimeConfig, RuntimeConfigError, type RuntimeConfig } from './runtime-config.js';
import { watchFiles, type WatchTimes } from './watch.js';

/** All that can be said takes less than 1 KiB: the rest is room for comments. */
const LARGEST_FILE = 16 * 1024;

/** Whoever puts a line into the log. */
type Say = (notice: Notice | { readonly level: 'info'; readonly message: string }) => void;

/**
 * The runtime configuration file: what it says, now and whenever it changes. While it is not there, what holds without
 * it is in force; while it cannot be used, what was in force before, and a line says why, once for each reason.
 */
export class RuntimeConfigFile {
  readonly #path: string;
  readonly #without: RuntimeConfig;
  readonly #say: Say;
  #current: RuntimeConfig;
  /** What was said of the file the last time: said again only when it is something else. */
  #said = '';

  /**
   * Reads the file for the first time.
   * @param without what is in force without a file
   */
  constructor(path: string, without: RuntimeConfig, say: Say) {
    this.#path = path;
    this.#without = without;
    this.#say = say;
    this.#current = without;
    this.#read();
  }

  /** The configuration in force. */
  get current(): RuntimeConfig {
    return this.#current;
  }

  /**
   * Reads the file again when it changes, until it is told to end.
   * @param onChange the configuration in force is another one now
   * @returns ends it
   */
  watch(onChange: (config: RuntimeConfig) => void, times?: WatchTimes): () => void {
    const look = (): void => {
      const before = this.#current;
      this.#read();
      if (!same(before, this.#current)) onChange(this.#current);
    };
    const stop = watchFiles([this.#path], look, times);
    look(); // at what changed since it was read the first time
    return stop;
  }

  #read(): void {
    try {
      const text = contents(this.#path);
      const { config, warnings } =
        text === undefined
          ? { config: this.#without, warnings: [] }
          : parseRuntimeConfig(text, this.#without);
      this.#current = config;
      const { externalIps, maxConnectionsPerMinute } = config;
      const inForce = `external IPs: ${externalIps}, connections per minute: at most ${maxConnectionsPerMinute}`;
      this.#tell([
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
      this.#tell([{ level: 'error', message }]);
    }
  }

  #tell(notices: readonly Parameters<Say>[0][]): void {
    const said = JSON.stringify(notices);
    if (said === this.#said) return;
    this.#said = said;
    notices.forEach((notice) => this.#say(notice));
  }
}

/** @returns undefined if there is no file */
function contents(path: string): string | undefined {
  try {
    const stats = statSync(path);
    // A pipe would keep everything waiting, and a device may have no end.
    if (!stats.isFile()) throw new RuntimeConfigError('It is not a file');
    if (stats.size > LARGEST_FILE)
      throw new RuntimeConfigError(`It has ${stats.size} bytes, and at most ${LARGEST_FILE} are read`);
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof RuntimeConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new RuntimeConfigError(
      code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'It is not UTF-8' : `It cannot be read (${code})`,
      { cause: error },
    );
  }
}

function same(one: RuntimeConfig, other: RuntimeConfig): boolean {
  return (
    one.externalIps === other.externalIps && one.maxConnectionsPerMinute === other.maxConnectionsPerMinute
  );
}

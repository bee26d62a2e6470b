import type { Log } from '../telemetry/log.js';
import type { RawProfile, Sampler } from './sampler.js';

export const profileStates = ['on', 'off', 'empty'] as const;
/** Samples are taken; there is a result; there is none. */
export type ProfileState = (typeof profileStates)[number];

export interface ProfileOptions {
  /** Its name in the log, "CPU" for example. */
  readonly name: string;
  readonly sampler: Sampler;
  /** Makes the result. */
  readonly encode: (raw: RawProfile) => Promise<Buffer>;
  /** Time to take samples for at most, ms; after it the profile turns itself off, in case somebody forgets to. */
  readonly most: number;
  readonly log: Pick<Log, 'info' | 'error'>;
}

/** A profile of this process, to be turned on and off. Requests are served in their order. */
export class Profile {
  readonly #options: ProfileOptions;
  #state: ProfileState = 'empty';
  #result: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ProfileOptions) {
    this.#options = options;
  }

  /** `on` until there is the result. */
  get state(): ProfileState {
    return this.#state;
  }

  /** Gzipped protobuf for pprof of the last time it was on; of no bytes if there is none. */
  get result(): Buffer {
    return this.#result;
  }

  /**
   * `on` takes samples, anew if there is a result; `off` stops sampling and makes the result; `empty` discards both.
   * Setting the current state again changes nothing.
   * @throws Error from V8 or the conversion; there is no result then
   */
  set(wanted: ProfileState): Promise<void> {
    const turn = this.#turn.then(() => this.#set(wanted));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #set(wanted: ProfileState): Promise<void> {
    if (wanted === this.#state || (wanted === 'off' && this.#state === 'empty')) return;
    const { name, sampler, encode, log } = this.#options;
    const wasOn = this.#state === 'on';
    let result: Buffer = Buffer.alloc(0);
    let state: ProfileState = 'empty';
    try {
      clearTimeout(this.#timer);
      if (wasOn) {
        const raw = await sampler.stop();
        if (wanted === 'off') result = await encode(raw);
      } else if (wanted === 'on') {
        await sampler.start();
        this.#timer = this.#endInTime();
      }
      state = wanted;
    } finally {
      this.#state = state;
      this.#result = result;
    }
    log.info(`${name} profile: ${state}`);
  }

  #endInTime(): NodeJS.Timeout {
    const { name, most, log } = this.#options;
    const end = () => {
      log.info(`${name} profile: has been on for ${most / 1000} s, which is the most`);
      this.set('off').catch((error: unknown) =>
        log.error(`${name} profile: ${error instanceof Error ? error.message : String(error)}`),
      );
    };
    return setTimeout(end, most).unref();
  }
}

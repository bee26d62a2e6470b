import { RECONNECT } from '../../actors/sensor/channel.js';
import type { EventClock } from './clock.js';

/** Growth and jitter of grpc-js's back-off, as its BackoffTimeout has them (and gRPC's doc/connection-backoff.md). */
const GROWTH = 1.6;
const JITTER = 0.2;
/** To connect, or to be refused, ms. */
const ROUND_TRIP_MS = 1;

/** What a channel is connected to, and who is told. */
export interface ChannelOptions {
  readonly clock: EventClock;
  readonly random: () => number;
  /** Whether Sensor takes a connection at a time, ms. It refuses it otherwise. */
  readonly isUp: (time: number) => boolean;
  readonly onConnected: (time: number) => void;
}

/**
 * A model of a channel of grpc-js, as far as its times go: a broken connection is made again when somebody waits for
 * it, and tried again with back-off from then on, until it stands. `scripts/fleet/wire.ts` measures the real one.
 */
export class ChannelModel {
  readonly #options: ChannelOptions;
  readonly #waiting = new Set<() => void>();
  #state: 'idle' | 'trying' | 'ready' = 'idle';
  #delay: number = RECONNECT.first;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** Calls `then` once: with true when there is a connection, or with false after `ms` without. */
  waitForReady(ms: number, then: (isReady: boolean) => void): void {
    const { clock } = this.#options;
    const timer = clock.setTimeout(() => {
      this.#waiting.delete(ready);
      then(false);
    }, ms);
    const ready = (): void => {
      clock.clearTimeout(timer);
      then(true);
    };
    this.#waiting.add(ready);
    if (this.#state === 'ready') this.#tellWaiting();
    else if (this.#state === 'idle') this.#connect();
  }

  /** The connection is lost. */
  break(): void {
    if (this.#state === 'ready') this.#state = 'idle';
  }

  #connect(): void {
    const { clock, isUp, random } = this.#options;
    this.#state = 'trying';
    const delay = this.#delay;
    const grown = Math.min(delay * GROWTH, RECONNECT.most);
    this.#delay = grown * (1 + JITTER * (2 * random() - 1));
    if (isUp(clock.now)) clock.setTimeout(() => this.#connected(), ROUND_TRIP_MS);
    else clock.setTimeout(() => this.#connect(), Math.max(delay, ROUND_TRIP_MS));
  }

  #connected(): void {
    const { clock, onConnected } = this.#options;
    this.#state = 'ready';
    this.#delay = RECONNECT.first;
    onConnected(clock.now);
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const ready of waiting) ready();
  }
}

import type { Fact } from './facts.js';

const NS_PER_MS = 1e6;

/** The time of the newest fact, and Unix times for the facts' clock: see `Fact`. */
export class FactClock {
  /** CLOCK_BOOTTIME of the newest fact, ns. Starts with a fraction: V8 would keep 0 as an integer. */
  #time = 0.5;
  /** Unix time minus CLOCK_BOOTTIME, ns. */
  #epoch = 0.5;

  take(fact: Fact): void {
    this.#time = fact.time;
    if (fact.kind === 'start' || fact.kind === 'tick' || fact.kind === 'clock') this.#epoch = fact.epoch;
  }

  /** Of the newest fact, in the facts' clock. */
  get time(): number {
    return this.#time;
  }

  /** Unix time in whole ms. @param ns in the facts' clock */
  unix(ns: number): number {
    return Math.floor((ns + this.#epoch) / NS_PER_MS);
  }
}

import type { Random } from './random.js';

/** A door through which somebody else's bytes enter, and the property that has to hold for all of them. */
export interface Target {
  /** The property, in a few words. */
  readonly holds: string;
  /** Valid inputs to begin with. */
  readonly seeds: () => readonly Buffer[];
  /**
   * Makes another input, close enough to a valid one to get past the first check.
   * @param other another input of the corpus, to take parts of
   */
  readonly mutate: (input: Buffer, random: Random, other: Buffer) => Buffer;
  readonly open: () => Session | Promise<Session>;
}

/** An open target. */
export interface Session {
  /** Takes one input. @throws anything, if the property does not hold */
  readonly run: (input: Buffer) => void | Promise<void>;
  readonly close?: () => void | Promise<void>;
}

/** The property does not hold. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** @throws Broken unless it is so */
export function ensure(isSo: boolean, what: () => string): asserts isSo {
  if (!isSo) throw new Broken(what());
}

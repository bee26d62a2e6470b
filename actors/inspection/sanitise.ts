import { Failure } from '../telemetry/failures.js';
import { escapeControls, startOf } from '../telemetry/plain-text.js';
import type { Plain } from './protocol.js';

/** Bounds of one value: levels, all its parts, members of a list or an object, characters of a text and of all. */
const MOST_LEVELS = 8;
const MOST_PARTS = 10_000;
const MOST_MEMBERS = 200;
const MOST_TEXT = 2000;
const MOST_TEXTS = 64 * 1024;
const CUT = '…';

/** Possible secrets in a text: PEM, and a URL's user, password, query and fragment. */
const PEM = /-----BEGIN[^-]*-----[^]*?(-----END[^-]*-----|$)/g;
const USER_OF_URL = /(:\/\/)[^/?#\s]*@/g;
const QUERY_OF_URL = /(:\/\/[^\s?#'"]*)[?#][^\s'"]*/g;

/** An object with a way to be shown: without a description, an instance of a class is left out. */
export interface Described {
  readonly description: Readonly<Record<string, unknown>>;
}

/**
 * Makes plain data of a machine's context or an event: primitives, lists and plain objects as they are, an error as
 * code, message and remedy, an instance of a class by its `description`. Everything else is left out, so that a secret
 * in an object's internals or in a buffer can't be shown. Texts are freed of controls and of secrets in URLs.
 */
export function sanitise(value: unknown): Plain {
  return new Sanitiser().plain(value, 0) ?? null;
}

/** A text for an inspector. */
export function sanitiseText(text: string): string {
  const start = startOf(text, 2 * MOST_TEXT);
  const clean = escapeControls(
    start.replace(PEM, CUT).replace(USER_OF_URL, `$1${CUT}@`).replace(QUERY_OF_URL, `$1?${CUT}`),
  );
  return clean.length > MOST_TEXT || text.length > start.length ? startOf(clean, MOST_TEXT) + CUT : clean;
}

class Sanitiser {
  #room = MOST_TEXTS;
  #parts = 0;

  /** @returns undefined for a value to be left out */
  plain(value: unknown, level: number): Plain | undefined {
    if (++this.#parts > MOST_PARTS) return undefined;
    switch (typeof value) {
      case 'boolean':
        return value;
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
        return String(value);
      case 'string':
        return this.#text(value);
      case 'object':
        return value === null ? null : this.#object(value, level);
      default:
        return undefined;
    }
  }

  #text(text: string): string {
    if (this.#room === 0) return CUT;
    const clean = sanitiseText(text);
    const cut = clean.length > this.#room ? startOf(clean, this.#room) + CUT : clean;
    this.#room = Math.max(this.#room - clean.length, 0);
    return cut;
  }

  #object(value: object, level: number): Plain | undefined {
    if (level >= MOST_LEVELS) return CUT;
    if (Array.isArray(value)) return this.#list(value, level);
    if (value instanceof Error) return this.#members(membersOfError(value), level);
    if (value instanceof Map)
      return this.#members(
        [...value].map(([key, of]) => [String(key), of]),
        level,
      );
    if (isPlainObject(value)) return this.#members(Object.entries(value), level);
    return this.#described(value, level);
  }

  #described(value: object, level: number): Plain | undefined {
    try {
      return 'description' in value ? this.plain(value.description, level) : undefined;
    } catch (error) {
      return this.plain(error, level);
    }
  }

  #list(list: readonly unknown[], level: number): Plain {
    const items = list.slice(0, MOST_MEMBERS).map((item) => this.plain(item, level + 1) ?? null);
    return list.length > MOST_MEMBERS ? [...items, CUT] : items;
  }

  /** An object with members, but none to be shown, is left out. */
  #members(members: readonly (readonly [string, unknown])[], level: number): Plain | undefined {
    const kept: [string, Plain][] = [];
    for (const [key, member] of members.slice(0, MOST_MEMBERS)) {
      const plain = this.plain(member, level + 1);
      if (plain !== undefined) kept.push([this.#text(key), plain]);
    }
    if (members.length > MOST_MEMBERS) kept.push([CUT, members.length - MOST_MEMBERS]);
    return kept.length === 0 && members.length > 0 ? undefined : Object.fromEntries(kept);
  }
}

function membersOfError(error: Error): [string, unknown][] {
  if (error instanceof Failure)
    return [
      ['code', error.code],
      ['message', error.message],
      ['remedy', error.remedy],
    ];
  return [['message', error.message === '' ? error.name : error.message]];
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

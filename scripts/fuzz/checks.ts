import { UNSAFE } from '../../actors/telemetry/plain-text.js';
import { ensure } from './target.js';

/** Colours of our own. */
// eslint-disable-next-line no-control-regex -- an escape is the point here
const STYLES = /\x1b\[\d{1,2}m/g;
const SHOWN = 200;

/** @throws Broken unless a text is one line of valid Unicode, harmless to the reader's screen */
export function ensureLine(line: string, what: string): void {
  const at = line.replace(STYLES, '').search(UNSAFE);
  ensure(at < 0, () => `${what} has a control at ${at}: ${shown(line)}`);
  ensureUnicode(line, what);
}

/** @throws Broken if the text has half a character, as UTF-16 can */
export function ensureUnicode(text: string, what: string): void {
  ensure(Buffer.from(text).toString() === text, () => `${what} is no valid Unicode: ${shown(text)}`);
}

/** The same for JSON. */
export function ensureJsonLine(line: string, what: string): unknown {
  ensureLine(line, what);
  return ensureJson(line, what);
}

/** @throws Broken unless it is JSON */
export function ensureJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    ensure(false, () => `${what} is no JSON (${String(error)}): ${shown(text)}`);
  }
}

/** Longest message about a refused input, UTF-16 units: a line for a person. */
const LONGEST_MESSAGE = 2000;

/** @throws Broken unless a refusal is short, and has all its parts. @param names a part that it needs */
export function ensureRefusal(message: string, names: RegExp, what: string): void {
  ensure(message.length <= LONGEST_MESSAGE, () => `${what} has ${message.length} characters`);
  ensure(names.test(message), () => `${what} does not say ${String(names)}: ${shown(message)}`);
}

export function shown(text: string): string {
  return JSON.stringify(text.slice(0, SHOWN));
}

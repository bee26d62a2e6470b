/**
 * Characters with a power over the reader's screen, to be written as escapes in every text output: controls (C0, DEL,
 * C1), line and paragraph separators, marks of text direction (Unicode's Bidi_Control), deprecated format characters,
 * interlinear annotations, the byte order mark, and the invisible tag characters. Names, arguments and labels come from
 * containers, whose processes must not forge a line, drive a terminal or reorder the text around them.
 *
 * Without the flag `u`, V8 searches a line in a third of the time; the tags are matched as surrogate pairs.
 */
export const UNSAFE =
  // eslint-disable-next-line no-control-regex -- controls are the point here
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

/**
 * Replaces unsafe characters by escapes as in C: `\n`, `\x1b`, `\u202e`. Half a character, as V8 quotes it in its
 * errors of JSON, becomes U+FFFD.
 */
export function escapeControls(text: string): string {
  return text.toWellFormed().replace(UNSAFE, (found) => SHORT[found] ?? [...escapes(found, 'x')].join(''));
}

/**
 * Replaces unsafe characters in finished JSON by `\uXXXX`, the same to a parser. JSON.stringify escapes C0 alone. A
 * control outside of a string, a newline between two members for example, stays.
 */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (found) => (found < ' ' ? found : [...escapes(found, 'u')].join('')));
}

/** Makes unsafe characters visible where escapes would be hard to read: a line break as `↵`, any other as `�`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (found) => (found === '\n' ? '↵' : found === '\t' ? ' ' : '�'));
}

/** The start of a text, at most `length` UTF-16 units: never with half a character at its end. */
export function startOf(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Escapes each UTF-16 unit. @param short how a unit below 0x100 is written: `\xNN` or `\u00NN` */
function* escapes(text: string, short: 'x' | 'u'): Generator<string> {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const digits = code < 0x100 && short === 'x' ? 2 : 4;
    yield `\\${digits === 2 ? 'x' : 'u'}${code.toString(16).padStart(digits, '0')}`;
  }
}

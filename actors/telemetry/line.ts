/** From the least to the most severe. */
export const levels = ['trace', 'debug', 'info', 'notice', 'warning', 'error', 'critical', 'fatal'] as const;

export type Level = (typeof levels)[number];

const LEVEL_WIDTH = 7;

/**
 * One log line, without the newline at its end: `[LEVEL   YYYY/MM/DD HH:MM:SS] message`, in UTC.
 * @param time Unix time in ms
 */
export function formatLine(level: Level, time: number, message: string): string {
  const [date = '', clock = ''] = new Date(time).toISOString().split('T');
  const stamp = `${date.replaceAll('-', '/')} ${clock.slice(0, 8)}`;
  const head = `[${level.toUpperCase().padEnd(LEVEL_WIDTH)} ${stamp}]`;
  return message === '' ? head : `${head} ${escapeControls(message)}`;
}

/** The same as one JSON object, for programs. */
export function formatJson(level: Level, time: number, message: string): string {
  return JSON.stringify({ time: new Date(time).toISOString(), level, message });
}

/**
 * Whatever could start a line of its own, drive a terminal or reorder what stands on the screen: control characters,
 * the line separators of Unicode, and the marks that change the direction of text. Messages quote processes and
 * configuration, and those must not be able to forge a log line.
 */
export const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escapeControls(message: string): string {
  return message.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return SHORT[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
  });
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

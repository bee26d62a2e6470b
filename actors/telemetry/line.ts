import { escapeControls, escapeJson } from './plain-text.js';

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
  return escapeJson(JSON.stringify({ time: new Date(time).toISOString(), level, message }));
}

const LONGEST = 100;

/** Cuts a text to a length fit for a line of the log, and never within a character. */
export function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, '')}…`;
}

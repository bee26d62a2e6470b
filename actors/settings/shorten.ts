const LONGEST = 100;

/** Cuts a text to a length fit for a line of the log. */
export function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

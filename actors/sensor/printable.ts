const LONGEST = 160;

/** Makes text of others fit to be quoted in a log line: printable ASCII, of readable length. */
export function printable(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length <= LONGEST ? plain : `${plain.slice(0, LONGEST)}…`;
}

/** The code of a system error, else its message. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  return 'code' in error ? String(error.code) : printable(error.message);
}

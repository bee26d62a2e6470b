/** What may stand before `(` or between expressions and is no function. */
const KEYWORDS = new Set([
  'and',
  'or',
  'unless',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
]);

/** The names of the metrics that a PromQL expression reads, each once. */
export function metricsIn(expression: string): string[] {
  const names = expression
    .replace(/"[^"]*"|'[^']*'/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?!\w|\s*\()/g);
  return [...new Set([...names].map(([name]) => name).filter((name) => !KEYWORDS.has(name)))];
}

import assert from 'node:assert/strict';

/** Asserts: between a failed start's table of diagnostics and its last line are cause and remedy, and nothing else. */
export function assertNothingBetween(stderr: string): void {
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\[\w+ +\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\] ?/, ''));
  const below = lines.slice(lines.indexOf('='.repeat(36)) + 1, -1);
  const words = below.map((line) => line.split(/[:,]/, 1)[0]!);
  assert.deepEqual(
    words.filter((word) => word !== 'Not tried'),
    ['', 'Cause', 'Remedy'],
    stderr,
  );
}

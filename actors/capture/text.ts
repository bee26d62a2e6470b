const REPLACEMENT = '\uFFFD';

/**
 * Decodes bytes chosen by a process: valid UTF-8 stays as it is, every other byte becomes `?`.
 * @param cut the bytes were cut at their end: a character broken there is left out
 */
export function decodeText(bytes: Buffer, start: number, end: number, cut = false): string {
  const last = cut ? wholeCharacters(bytes, start, end) : end;
  const text = bytes.toString('utf8', start, last);
  return text.includes(REPLACEMENT) ? decodeBytewise(bytes, start, last) : text;
}

/** The text up to the first NUL, for fixed fields of the kernel's. */
export function decodeField(bytes: Buffer, start: number, size: number): string {
  let end = start;
  while (end < start + size && bytes[end] !== 0) end++;
  return decodeText(bytes, start, end);
}

/** Where the last whole character ends. */
function wholeCharacters(bytes: Buffer, start: number, end: number): number {
  for (let at = end - 1; at >= start && end - at <= 4; at--) {
    const byte = bytes[at]!;
    if ((byte & 0xc0) === 0x80) continue;
    return at + sequenceLength(byte) > end ? at : end;
  }
  return end;
}

/** Bytes of the character starting with `lead`, 1 if none does (RFC 3629 §3). */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 1;
}

/** Character by character: rare, so it may be slow. */
function decodeBytewise(bytes: Buffer, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end;) {
    const length = sequenceLength(bytes[at]!);
    const one = at + length <= end ? bytes.toString('utf8', at, at + length) : REPLACEMENT;
    // A valid character is never more than one code point; U+FFFD itself may be valid, too.
    const valid = one.length <= 2 && (!one.includes(REPLACEMENT) || isReplacement(bytes, at, length));
    text += valid ? one : '?';
    at += valid ? length : 1;
  }
  return text;
}

function isReplacement(bytes: Buffer, at: number, length: number): boolean {
  return length === 3 && bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd;
}

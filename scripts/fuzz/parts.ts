/** Several parts in one input, each with its length before it. */
export function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(part.length);
      return [length, part];
    }),
  );
}

/** The parts of an input; of one that was cut, as many as there are. */
export function partsOf(input: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at + 4 <= input.length;) {
    const end = at + 4 + input.readUInt32LE(at);
    parts.push(input.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

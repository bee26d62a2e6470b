const BLOCK = 512;
/** Two empty blocks end an archive. */
const END = Buffer.alloc(2 * BLOCK);

/** A file of an archive. Its name has at most 100 bytes. */
export interface ArchivedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The files as a tar archive (ustar). @param time Unix time of all of them, ms */
export function tar(files: readonly ArchivedFile[], time: number): Buffer {
  const parts = files.flatMap(({ name, bytes }) => [
    header(name, bytes.length, time),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...parts, END]);
}

/** Fields of a header by their offsets. */
function header(name: string, size: number, time: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(0o600, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(time / 1000), 11), 136);
  block.write('        ', 148); // stands for the checksum while it is made
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte),
      6,
    )} `,
    148,
  );
  return block;
}
